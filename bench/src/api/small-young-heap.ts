// Loaded before the server's modules: it begins as `viv server` does (apps/viv/src/server/young-heap.ts).

import { setFlagsFromString } from "node:v8";

setFlagsFromString("--semi-space-growth-factor=1");
