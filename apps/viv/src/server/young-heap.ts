// The part of the JavaScript heap where objects are young. It stays small while the server idles, so that garbage is found soon and little
// memory is held. Under load that would find requests half-done, copy them, and take them for old.

import { setFlagsFromString } from "node:v8";

/** From now on it does not grow. */
export function keepYoungHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/** From now on it doubles when much of it survives, up to `--max-semi-space-size`, which `viv` in the root sets. */
export function letYoungHeapGrow(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
}
