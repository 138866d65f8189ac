// Whether this process may talk to libvirt, told apart from libvirt not being there.

import { access, constants } from "node:fs/promises";
import { serviceSockets } from "./gather-facts.ts";

/** True when the socket exists and this user may not open it. */
export async function isLibvirtClosedToUs(): Promise<boolean> {
  try {
    await access(serviceSockets.libvirtd, constants.R_OK | constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}
