// The AGE column of core kinds.

import { timeSince } from "../output/human-duration.ts";
import type { ComputedColumn } from "./strategy.ts";

export const ageColumn: ComputedColumn = {
  name: "Age",
  type: "string",
  description: "Time since the object was created.",
  cell: (object, now) => timeSince(object.metadata.creationTimestamp, now),
};
