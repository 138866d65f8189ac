// Whether the server lives and can do its work, as load balancers, probes and `kubectl get --raw '/readyz?verbose'` ask it
// (https://kubernetes.io/docs/reference/using-api/health-checks/).

import type { ApiResponse } from "@vivarium/api";
import { respondText } from "../output/respond.ts";
import type { Route } from "../router.ts";
import type { ServerState } from "../server-state.ts";

/** Rejects when it fails; why is for the log, not for everybody who asks. */
interface Check {
  readonly name: string;
  run(state: ServerState): Promise<void>;
}

const ping: Check = { name: "ping", run: () => Promise.resolve() };
const store: Check = { name: "store", run: async (state) => void (await state.store.revision()) };
const shutdown: Check = {
  name: "shutdown",
  run: async (state) => {
    if (state.closing.aborted) throw new Error("the server is closing");
  },
};

const endpoints: Readonly<Record<string, readonly Check[]>> = {
  livez: [ping],
  healthz: [ping, store],
  readyz: [ping, store, shutdown],
};

export function healthRoutes(state: ServerState): [string, Route][] {
  return Object.entries(endpoints).flatMap(([endpoint, checks]): [string, Route][] => [
    [`/${endpoint}`, ({ request }) => respondHealth(state, endpoint, { checks, query: request.query })],
    ...checks.map((check): [string, Route] => [
      `/${endpoint}/${check.name}`,
      ({ request }) => respondHealth(state, `${endpoint}/${check.name}`, { checks: [check], query: request.query }),
    ]),
  ]);
}

async function respondHealth(
  state: ServerState,
  endpoint: string,
  { checks, query }: { readonly checks: readonly Check[]; readonly query: URLSearchParams },
): Promise<ApiResponse> {
  const excluded = new Set(query.getAll("exclude"));
  const lines = await Promise.all(
    checks.map(async (check) => {
      if (excluded.has(check.name)) return { text: `[+]${check.name} excluded: ok`, isOk: true };
      try {
        await check.run(state);
        return { text: `[+]${check.name} ok`, isOk: true };
      } catch (error) {
        state.log.warn({ err: error, check: check.name }, "a health check failed");
        return { text: `[-]${check.name} failed: reason withheld`, isOk: false };
      }
    }),
  );
  const isOk = lines.every((line) => line.isOk);
  if (isOk && !query.has("verbose")) return respondText(200, "ok");
  const verdict = `${endpoint} check ${isOk ? "passed" : "failed"}`;
  return respondText(isOk ? 200 : 500, `${[...lines.map((line) => line.text), verdict].join("\n")}\n`);
}
