// Calls that change how much of the host a domain may have.

import { int, nothing, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { agentRemote, remote, slowRemote } from "./procedure.ts";
import { typedParams } from "./typed-param.ts";
import type { TypedParam } from "./typed-param.ts";

interface OfDomain {
  domain: Domain;
}

const schedulerMax = 16;
const interfaceMax = 16;
const memoryMax = 16;

const domainAndFlags = struct<OfDomain & { flags: number }>({ domain, flags: uint });

export const domainSetMemoryParameters = slowRemote(
  "domainSetMemoryParameters",
  197,
  struct<OfDomain & { params: readonly TypedParam[]; flags: number }>({
    domain,
    params: typedParams(memoryMax),
    flags: uint,
  }),
  nothing,
);
export const domainSetVcpusFlags = slowRemote(
  "domainSetVcpusFlags",
  199,
  struct<OfDomain & { vcpus: number; flags: number }>({ domain, vcpus: uint, flags: uint }),
  nothing,
);
/** The same call, for when the guest agent takes the CPUs on and off line. */
export const domainSetVcpusOfAgent: typeof domainSetVcpusFlags = { ...domainSetVcpusFlags, lane: "agent" };
export const domainGetVcpusFlags = remote(
  "domainGetVcpusFlags",
  200,
  domainAndFlags,
  struct<{ vcpus: number }>({ vcpus: int }),
);
/** The same call, for when it asks the guest agent. */
export const domainGetVcpusOfAgent: typeof domainGetVcpusFlags = { ...domainGetVcpusFlags, lane: "agent" };
export const domainSetMemoryFlags = slowRemote(
  "domainSetMemoryFlags",
  204,
  struct<OfDomain & { memoryKib: number; flags: number }>({ domain, memoryKib: uhyper, flags: uint }),
  nothing,
);
export const domainSetSchedulerParametersFlags = slowRemote(
  "domainSetSchedulerParametersFlags",
  219,
  struct<OfDomain & { params: readonly TypedParam[]; flags: number }>({
    domain,
    params: typedParams(schedulerMax),
    flags: uint,
  }),
  nothing,
);
/** Takes at most `count`; schedulers have far fewer than the protocol's limit. */
export const domainGetSchedulerParametersFlags = remote(
  "domainGetSchedulerParametersFlags",
  223,
  struct<OfDomain & { count: number; flags: number }>({ domain, count: int, flags: uint }),
  struct<{ params: readonly TypedParam[] }>({ params: typedParams(schedulerMax) }),
);
export const domainSetInterfaceParameters = slowRemote(
  "domainSetInterfaceParameters",
  256,
  struct<OfDomain & { device: string; params: readonly TypedParam[]; flags: number }>({
    domain,
    device: string,
    params: typedParams(interfaceMax),
    flags: uint,
  }),
  nothing,
);
/** Asked with count 0 it tells how many there are. */
export const domainGetInterfaceParameters = remote(
  "domainGetInterfaceParameters",
  257,
  struct<OfDomain & { device: string; count: number; flags: number }>({
    domain,
    device: string,
    count: int,
    flags: uint,
  }),
  struct<{ params: readonly TypedParam[]; count: number }>({ params: typedParams(interfaceMax), count: int }),
);
export const domainSetMemoryStatsPeriod = slowRemote(
  "domainSetMemoryStatsPeriod",
  308,
  struct<OfDomain & { period: number; flags: number }>({ domain, period: int, flags: uint }),
  nothing,
);
export const domainSetGuestVcpus = agentRemote(
  "domainSetGuestVcpus",
  372,
  struct<OfDomain & { cpumap: string; state: number; flags: number }>({
    domain,
    cpumap: string,
    state: int,
    flags: uint,
  }),
  nothing,
);
