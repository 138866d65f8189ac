// SSH keys for new VMs. Who may not write them can make VMs nevertheless.

import { isStatus } from "@vivarium/api";
import { tell } from "../output/print.ts";
import type { Session } from "../session/connect.ts";
import { ensureOwnKey, publishKeys } from "../session/ssh-keys.ts";

export async function giveKeys(session: Session): Promise<void> {
  await ensureOwnKey(session.stateDir);
  try {
    await publishKeys(session.client, session.stateDir);
  } catch (error) {
    if (!isStatus(error, "Forbidden")) throw error;
    tell(`warning: new VMs do not get your SSH keys: ${error.message}`);
  }
}
