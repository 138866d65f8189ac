// ServiceAccount: nothing but its age is worth a column.

import { ageColumn } from "./age-column.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

export const serviceAccountStrategy: Strategy = { ...coreStrategy, columns: [ageColumn] };
