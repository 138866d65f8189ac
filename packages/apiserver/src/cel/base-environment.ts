// The CEL environment of Kubernetes: the language as the library has it, and the functions that Kubernetes adds
// (https://kubernetes.io/docs/reference/using-api/cel/).

import { Environment } from "@marcbachmann/cel-js";
import { registerFormats } from "./format-functions.ts";
import { registerLists } from "./list-functions.ts";
import { registerNetwork } from "./network-functions.ts";
import { registerQuantities } from "./quantity-functions.ts";
import { registerStrings } from "./string-functions.ts";
import { registerUrls } from "./url-functions.ts";

let base: Environment | undefined;

/** A fresh copy to register types and variables in. */
export function newEnvironment(): Environment {
  base ??= makeBase();
  return base.clone();
}

function makeBase(): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    // Otherwise `'%s %d'.format(['a', 1])` would not be possible.
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 10_000, maxDepth: 100 },
  });
  registerStrings(environment);
  registerLists(environment);
  registerUrls(environment);
  registerNetwork(environment);
  registerQuantities(environment);
  registerFormats(environment);
  return environment;
}
