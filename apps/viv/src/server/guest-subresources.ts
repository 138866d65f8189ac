// `virtualmachines/NAME/log`, `/console`, `/vnc` and `/screenshot`: bytes between a caller and a guest's serial console or screen, through
// the VM's provider.

import { StatusError, VirtualMachine, type ApiResponse } from "@vivarium/api";
import type { Connection, Subresource, SubresourceContext } from "@vivarium/apiserver";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { ConsoleRole, ConsoleStream, ScreenRole, VmIdentity } from "@vivarium/provider";
import { overlapLength } from "./overlap.ts";
import type { Controllers, Guest } from "./start-controllers.ts";
import { toPng } from "./to-png.ts";

const where = { group: VirtualMachine.group, plural: VirtualMachine.plural };

export function guestSubresources(controllers: () => Controllers | undefined): readonly Subresource[] {
  async function find({ key }: SubresourceContext): Promise<Guest> {
    const running = controllers();
    if (running === undefined)
      throw new StatusError("ServiceUnavailable", "The controllers are still starting; try again.");
    return running.findGuest(key);
  }
  async function findConsole(context: SubresourceContext): Promise<Found<ConsoleRole>> {
    const { provider, vm } = await find(context);
    if (provider.console === undefined)
      throw new StatusError("NotImplemented", `Provider type "${provider.type}" has no serial console.`);
    return { role: provider.console, vm };
  }
  async function findScreen(context: SubresourceContext): Promise<Found<ScreenRole>> {
    const { provider, vm } = await find(context);
    if (provider.screen === undefined)
      throw new StatusError("NotImplemented", `Provider type "${provider.type}" shows no screens.`);
    return { role: provider.screen, vm };
  }
  return [
    {
      ...where,
      name: "log",
      get: async (context) => withStatusErrors(async () => readLog(await findConsole(context), context)),
    },
    {
      ...where,
      name: "console",
      givesTokens: true,
      connect: async (context) => {
        const { role, vm } = await findConsole(context);
        return joinTo(await withStatusErrors(() => role.open(vm, { signal: context.signal })));
      },
    },
    {
      ...where,
      name: "vnc",
      givesTokens: true,
      connect: async (context) => {
        const { role, vm } = await findScreen(context);
        return joinTo(await withStatusErrors(() => role.open(vm, { signal: context.signal })));
      },
    },
    {
      ...where,
      name: "screenshot",
      get: async (context) => {
        const { role, vm } = await findScreen(context);
        const picture = await withStatusErrors(() => role.capture(vm, { signal: context.signal }));
        return { status: 200, headers: { "content-type": "image/png" }, body: await toPng(picture) };
      },
    },
  ];
}

interface Found<Role> {
  readonly role: Role;
  readonly vm: VmIdentity;
}

/** Whichever side ends first ends the other. */
function joinTo(stream: ConsoleStream): Connection {
  return async (socket) => {
    const toGuest = async (): Promise<void> => {
      for await (const bytes of socket.output) await stream.write(bytes);
      await stream.close();
    };
    const toCaller = async (): Promise<void> => {
      for await (const bytes of stream.output) await socket.write(bytes);
      await socket.close();
    };
    await Promise.all([toGuest(), toCaller()]);
  };
}

async function readLog({ role: console, vm }: Found<ConsoleRole>, context: SubresourceContext): Promise<ApiResponse> {
  const { query, signal } = context;
  const tailBytes = query.get("tailBytes");
  const tail = tailBytes === null ? {} : { tailBytes: positiveInteger(tailBytes) };
  const headers = { "content-type": "text/plain; charset=utf-8" };
  if (query.get("follow") !== "true") {
    return { status: 200, headers, body: await console.readLog(vm, { ...tail, signal }) };
  }
  return { status: 200, headers, body: follow({ role: console, vm }, { ...tail, signal }) };
}

/** What was printed, then what is printed. Listening begins before the log is read, so that nothing falls between; the overlap is cut. */
async function* follow(
  { role: console, vm }: Found<ConsoleRole>,
  options: { readonly tailBytes?: number; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const live = await console.open(vm, { signal: options.signal }).catch((error: unknown) => {
    // Nothing is printed while the VM is off: what there is, is all there is.
    if (isProviderError(error, "NotFound", "Conflict", "Unsupported")) return undefined;
    throw error;
  });
  try {
    const chunks = live?.output[Symbol.asyncIterator]();
    const first = chunks?.next();
    let isEarly = false;
    first?.then(
      () => (isEarly = true),
      () => undefined,
    );
    const log = await console.readLog(vm, options);
    yield log;
    if (chunks === undefined || first === undefined) return;
    // Only what came before the log was read can be in both.
    const mayOverlap = isEarly;
    for (let chunk = await first; chunk.done !== true; chunk = await chunks.next()) {
      yield mayOverlap && chunk.value === (await first).value
        ? chunk.value.subarray(overlapLength(log, chunk.value))
        : chunk.value;
    }
  } finally {
    await live?.close();
  }
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new StatusError("BadRequest", `tailBytes: expected a whole number, found "${text}"`);
  return value;
}

async function withStatusErrors<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const reason = {
      NotFound: "NotFound",
      AlreadyExists: "Conflict",
      InvalidSpec: "BadRequest",
      Unsupported: "NotImplemented",
      Conflict: "Conflict",
      NoSpace: "ServiceUnavailable",
      Unavailable: "ServiceUnavailable",
      Unauthorized: "Forbidden",
      Timeout: "Timeout",
      Internal: "InternalError",
    } as const;
    throw new StatusError(reason[error.code], error.message, { cause: error });
  }
}
