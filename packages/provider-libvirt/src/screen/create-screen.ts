// The screen: pictures through libvirt, sessions straight to QEMU's VNC server, on another machine through SSH.

import { DomainXmlFlags } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleStream, Picture, ScreenRole, VmIdentity } from "@vivarium/provider";
import { requireRunningDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { connectThrough, connectTo } from "./connect.ts";
import { findListener, hasVideo } from "./devices.ts";
import type { ScreenListener } from "./devices.ts";
import { greeted, logIn } from "./log-in.ts";

type ScreenHost = Pick<LibvirtHost, "attempt" | "config" | "dialSocket" | "isLocal">;

export function createScreen(host: ScreenHost): ScreenRole {
  return {
    async open(vm, { signal }) {
      const action = "open the screen of";
      const xml = await host.attempt(
        `${action} VM "${vm.name}"`,
        async (libvirt) => {
          const { domain } = await requireRunningDomain(libvirt, { vm, action, options: { signal } });
          return libvirt.domainGetXmlDesc(domain, { signal, flags: DomainXmlFlags.SECURE });
        },
        { signal },
      );
      const listener = findListener(xml);
      if (listener === undefined) throw noScreen(action, vm);
      const stream = await connectFrom(host, { listener, vm, signal });
      try {
        const password = listener.kind === "port" ? listener.password : undefined;
        return await (password === undefined ? greeted(stream) : logIn(stream, password));
      } catch (error) {
        await stream.close();
        signal.throwIfAborted();
        throw error;
      }
    },

    capture(vm, options) {
      const action = "capture the screen of";
      return host.attempt(
        `${action} VM "${vm.name}"`,
        async (libvirt) => {
          const { domain } = await requireRunningDomain(libvirt, { vm, action, options });
          if (!hasVideo(await libvirt.domainGetXmlDesc(domain, options))) throw noScreen(action, vm);
          const { mimeType, bytes } = await libvirt.domainScreenshot(domain, options);
          return { mediaType: mediaTypeOf(mimeType), bytes };
        },
        options,
      );
    },
  };
}

/** PNG where libvirt and QEMU are new enough, as libvirt 9.0 and QEMU 7.2 are. */
function mediaTypeOf(mimeType: string): Picture["mediaType"] {
  if (mimeType === "image/png" || mimeType === "image/x-portable-pixmap") return mimeType;
  throw new ProviderError("Unsupported", `Cannot read a picture of type "${mimeType}", expected PNG or PPM`);
}

function noScreen(action: string, vm: VmIdentity): ProviderError {
  return new ProviderError("Unsupported", `Cannot ${action} VM "${vm.name}": its domain has none`);
}

function connectFrom(
  host: ScreenHost,
  {
    listener,
    vm,
    signal,
  }: { readonly listener: ScreenListener; readonly vm: VmIdentity; readonly signal: AbortSignal },
): Promise<ConsoleStream> {
  const options = { name: vm.name, signal };
  if (host.isLocal) return connectTo(listener, options);
  // libvirt gives the connection out only as a file descriptor, which goes no further than its own machine.
  if (host.dialSocket === undefined || listener.kind !== "socket") throw unreachable(vm, host.config.endpoint);
  return connectThrough(host.dialSocket(listener.path), options);
}

function unreachable(vm: VmIdentity, endpoint: string): ProviderError {
  const message = `Cannot open the screen of VM "${vm.name}": it listens on its own host alone, and "${endpoint}" leads to nothing but libvirt there; SSH would, and screenshots work`;
  return new ProviderError("Unsupported", message);
}
