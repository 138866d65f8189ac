// One try of one readiness gate: over the network, or through the guest agent.

import type { ReadinessGate } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { GuestRole, ProviderErrorCode, VmIdentity } from "@vivarium/provider";
import type { ProbeOutcome } from "./gate-plan.ts";
import { probeHttp, probeTcp } from "./probe-network.ts";

/** A machine as it is at the moment of the try. */
export interface ProbedMachine {
  readonly address: string | undefined;
  readonly identity: VmIdentity;
  /** Absent where the provider has no guest agents, or is not connected. */
  readonly guest: GuestRole | undefined;
}

/** `signal` ends the try, as a failure. Never throws. */
export async function probeGate(
  gate: ReadinessGate,
  machine: ProbedMachine,
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<ProbeOutcome> {
  const { tcpSocket, httpGet, exec } = gate;
  if (tcpSocket !== undefined || httpGet !== undefined) {
    const host = tcpSocket?.host ?? httpGet?.host ?? machine.address;
    if (host === undefined) return { kind: "failure", reason: "NoAddress", message: "the machine has no address yet" };
    if (httpGet !== undefined) return probeHttp({ ...httpGet, host }, { signal });
    return probeTcp({ host, port: tcpSocket?.port ?? 0 }, { signal });
  }
  const { guest, identity } = machine;
  if (guest === undefined) {
    return {
      kind: "unknown",
      reason: "ProviderUnavailable",
      message: "its Provider is not connected, or has no guest agents",
    };
  }
  try {
    const [path, ...words] = exec?.command ?? [];
    if (path === undefined) {
      await guest.ping(identity, { signal });
      return { kind: "success", reason: "Answered", message: "the guest agent answers" };
    }
    const { exitCode, stderr } = await guest.run(identity, { command: [path, ...words], timeoutMs }, { signal });
    if (exitCode === 0) return { kind: "success", reason: "Succeeded", message: `"${path}" ended with 0` };
    const said = stderr.trim().slice(0, mostTold);
    const message = `"${path}" ended with ${exitCode}${said === "" ? "" : `: ${said}`}`;
    return { kind: "failure", reason: "CommandFailed", message };
  } catch (error) {
    if (signal.aborted)
      return { kind: "failure", reason: "TimedOut", message: "the guest agent did not answer in time" };
    if (!isProviderError(error)) throw error;
    return outcomeOf[error.code](error.message);
  }
}

const failed =
  (reason: string) =>
  (message: string): ProbeOutcome => ({ kind: "failure", reason, message });
/** The host, not the guest. */
const unanswered = (message: string): ProbeOutcome => ({ kind: "unknown", reason: "ProviderUnavailable", message });

const outcomeOf: Readonly<Record<ProviderErrorCode, (message: string) => ProbeOutcome>> = {
  Unavailable: unanswered,
  Unauthorized: unanswered,
  NoSpace: failed("AgentFailed"),
  Timeout: failed("TimedOut"),
  Unsupported: failed("Unsupported"),
  NotFound: failed("AgentFailed"),
  AlreadyExists: failed("AgentFailed"),
  InvalidSpec: failed("AgentFailed"),
  Conflict: failed("AgentFailed"),
  Internal: failed("AgentFailed"),
};

const mostTold = 200;
