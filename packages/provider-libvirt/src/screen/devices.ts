// The devices of a screen, and where its VNC server listens: on a unix socket that only root and QEMU's own user reach, or, where the
// server's user is neither, on loopback with a password. Never on a network: who may look is decided by the API server.

import { element, find, findAll, parseXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** `password`: for a server whose user cannot open QEMU's sockets. */
export function screenDevices(password: string | undefined): XmlElement[] {
  const graphics =
    password === undefined
      ? // libvirt chooses the path, makes its folder for QEMU alone, and removes both.
        element("graphics", { type: "vnc" }, [element("listen", { type: "socket" })])
      : element("graphics", { type: "vnc", port: -1, autoport: "yes", passwd: password }, [
          element("listen", { type: "address", address: "127.0.0.1" }),
        ]);
  // The plainest card: every BIOS, UEFI firmware and guest shows something on it.
  return [graphics, element("video", {}, [element("model", { type: "vga" })])];
}

/** Where the VNC server of a running domain listens. */
export type ScreenListener =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "port"; readonly host: string; readonly port: number; readonly password: string | undefined };

/** Undefined when there is none. `xml`: of the running domain, with its secrets. */
export function findListener(xml: string): ScreenListener | undefined {
  const graphics = findAll(parseXml(xml), "devices", "graphics").find(({ attributes }) => attributes["type"] === "vnc");
  if (graphics === undefined) return undefined;
  const { socket, port, listen, passwd } = graphics.attributes;
  const path = find(graphics, "listen")?.attributes["socket"] ?? socket;
  if (path !== undefined) return { kind: "socket", path };
  if (port === undefined || Number(port) <= 0) return undefined;
  const host = find(graphics, "listen")?.attributes["address"] ?? listen ?? "127.0.0.1";
  return { kind: "port", host, port: Number(port), password: passwd };
}

export function hasVideo(xml: string): boolean {
  return findAll(parseXml(xml), "devices", "video").some(
    (video) => (find(video, "model")?.attributes["type"] ?? "none") !== "none",
  );
}
