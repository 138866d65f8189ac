// Whether a screen needs a password, and a new one.

import { randomBytes } from "node:crypto";
import type { LibvirtHost } from "../libvirt-host.ts";

/** VNC takes no more. */
const passwordCharacters = 8;

/**
 * Undefined where QEMU's sockets are open to this server: to root, and to the user of a session. Over a connection to another machine
 * nobody looks at the screen from here, so it listens where nobody can.
 */
export function newScreenPassword(
  host: Pick<LibvirtHost, "isLocal" | "config">,
  userId: number | undefined = process.getuid?.(),
): string | undefined {
  const isOpen = !host.isLocal || userId === 0 || new URL(host.config.endpoint).pathname === "/session";
  return isOpen ? undefined : randomBytes(passwordCharacters).toString("base64url").slice(0, passwordCharacters);
}
