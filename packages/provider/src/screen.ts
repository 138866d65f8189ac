// The graphical screen of a VM: a picture of it, or a session of the RFB protocol (RFC 6143) that VNC viewers speak.

import type { CallOptions, ConsoleStream, VmIdentity } from "./provider.ts";

/** What a screen shows at one moment, in the format that the hypervisor gives it in. */
export interface Picture {
  /** The second is PPM of the kind P6, with one byte a colour. */
  readonly mediaType: "image/png" | "image/x-portable-pixmap";
  readonly bytes: Uint8Array;
}

/** The graphical screen, with its keyboard and pointer. Both throw NotFound without a domain, Conflict while it is off. */
export interface ScreenRole {
  /**
   * A session of its own, several of which may be open at once: RFB from the server's first message on. Who may open one was decided
   * before: the session asks for no password. Ends when the VM stops or the signal aborts. Unsupported where the host's screens are out
   * of the server's reach.
   */
  open(vm: VmIdentity, options: { readonly signal: AbortSignal }): Promise<ConsoleStream>;
  /** Unsupported when the VM has no screen. */
  capture(vm: VmIdentity, options?: CallOptions): Promise<Picture>;
}
