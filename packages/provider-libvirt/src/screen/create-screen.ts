// The screen: pictures through libvirt from any host, sessions straight to QEMU's VNC server on this machine.

import { DomainXmlFlags } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { Picture, ScreenRole, VmIdentity } from "@vivarium/provider";
import { requireRunningDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { connectTo } from "./connect.ts";
import { findListener, hasVideo } from "./devices.ts";
import { logIn } from "./log-in.ts";

export function createScreen(host: LibvirtHost): ScreenRole {
  return {
    async open(vm, { signal }) {
      const action = "open the screen of";
      const xml = await host.attempt(
        `${action} VM "${vm.name}"`,
        async (libvirt) => {
          const domain = await requireRunningDomain(libvirt, { vm, action, options: { signal } });
          return libvirt.domainGetXmlDesc(domain, { signal, flags: DomainXmlFlags.SECURE });
        },
        { signal },
      );
      if (!host.isLocal) throw unreachable(vm, host.config.endpoint);
      const listener = findListener(xml);
      if (listener === undefined) throw noScreen(action, vm);
      const stream = await connectTo(listener, { name: vm.name, signal });
      if (listener.kind === "socket" || listener.password === undefined) return stream;
      try {
        return await logIn(stream, listener.password);
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
          const domain = await requireRunningDomain(libvirt, { vm, action, options });
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

/** libvirt gives a screen's connection out only as a file descriptor, which goes no further than its own machine. */
function unreachable(vm: VmIdentity, endpoint: string): ProviderError {
  const message = `Cannot open the screen of VM "${vm.name}": it listens on its own host alone, and "${endpoint}" is another machine; screenshots work`;
  return new ProviderError("Unsupported", message);
}
