// Asks a guest to shut down or to reboot: through its agent where that is connected, by the power button otherwise. Returns when it was asked.

import { DomainShutdownFlags, isLibvirtError, LibvirtError, LibvirtTimeoutError } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";

/** An agent that refuses does so at once; one that obeys or hangs must not hold the request back. */
const agentTimeoutMs = 500;

// Shutdown and reboot have the same flags.
const { GUEST_AGENT, ACPI_POWER_BTN } = DomainShutdownFlags;

export async function askGuest(
  ask: (flags: number, options: CallOptions & { readonly timeoutMs?: number }) => Promise<void>,
  { hasAgent, options }: { readonly hasAgent: boolean; readonly options: CallOptions | undefined },
): Promise<void> {
  if (hasAgent) {
    try {
      await ask(GUEST_AGENT, { ...options, timeoutMs: agentTimeoutMs });
      return;
    } catch (error) {
      // The agent's way waits for the guest's end. Pressing the button as well does no harm to a guest on its way down.
      if (!(error instanceof LibvirtTimeoutError) && !(error instanceof LibvirtError)) throw error;
    }
  }
  try {
    await ask(ACPI_POWER_BTN, { ...options });
  } catch (error) {
    // Already off.
    if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
  }
}
