// `virtualmachines/NAME/log` and `/console`: bytes between a caller and a guest's serial console, through the VM's provider.

import { StatusError, VirtualMachine, type ApiResponse } from "@vivarium/api";
import type { Subresource, SubresourceContext } from "@vivarium/apiserver";
import { isProviderError, ProviderError, type ConsoleRole, type VmIdentity } from "@vivarium/provider";
import { overlapLength } from "./overlap.ts";
import type { Controllers } from "./start-controllers.ts";

const where = { group: VirtualMachine.group, plural: VirtualMachine.plural };

export function guestSubresources(controllers: () => Controllers | undefined): readonly Subresource[] {
  async function find(context: SubresourceContext): Promise<{ console: ConsoleRole; vm: VmIdentity }> {
    const running = controllers();
    if (running === undefined)
      throw new StatusError("ServiceUnavailable", "The controllers are still starting; try again.");
    const found = await running.findGuest(context.key);
    const { provider, vm } = found;
    if (provider.console === undefined) {
      throw new StatusError("NotImplemented", `Provider type "${provider.type}" has no serial console.`);
    }
    return { console: provider.console, vm };
  }
  return [
    {
      ...where,
      name: "log",
      get: async (context) => withStatusErrors(async () => readLog(await find(context), context)),
    },
    {
      ...where,
      name: "console",
      connect: async (context, socket) => {
        const { console, vm } = await find(context);
        const stream = await withStatusErrors(() => console.open(vm, { signal: context.signal }));
        // Whichever side ends first ends the other.
        const toGuest = async (): Promise<void> => {
          for await (const bytes of socket.output) await stream.write(bytes);
          await stream.close();
        };
        const toCaller = async (): Promise<void> => {
          for await (const bytes of stream.output) await socket.write(bytes);
          await socket.close();
        };
        await Promise.all([toGuest(), toCaller()]);
      },
    },
  ];
}

async function readLog(
  { console, vm }: { readonly console: ConsoleRole; readonly vm: VmIdentity },
  context: SubresourceContext,
): Promise<ApiResponse> {
  const { query, signal } = context;
  const tailBytes = query.get("tailBytes");
  const tail = tailBytes === null ? {} : { tailBytes: positiveInteger(tailBytes) };
  const headers = { "content-type": "text/plain; charset=utf-8" };
  if (query.get("follow") !== "true") {
    return { status: 200, headers, body: await console.readLog(vm, { ...tail, signal }) };
  }
  return { status: 200, headers, body: follow({ console, vm }, { ...tail, signal }) };
}

/** What was printed, then what is printed. Listening begins before the log is read, so that nothing falls between; the overlap is cut. */
async function* follow(
  { console, vm }: { readonly console: ConsoleRole; readonly vm: VmIdentity },
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
