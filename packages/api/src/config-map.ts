// core/v1 ConfigMap: configuration that is no secret.

import type { Static } from "typebox";
import { boolean, map, optional, string, stringMap, struct } from "./fields.ts";
import { ageColumn, core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  data: optional(stringMap("The values, text.")),
  binaryData: optional(map("The values, base64.", { ...string("One value."), format: "byte" })),
  immutable: optional(boolean("Whether the values can never change.")),
});

export type ConfigMap = KubeObject & Static<typeof schema>;

export const ConfigMap: KindDefinition<ConfigMap> = defineKind({
  ...core,
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  description: "Small values for everybody to read.",
  hasStatus: false,
  schema,
  printerColumns: [ageColumn],
});
