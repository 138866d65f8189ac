// core/v1 Secret: credentials, keys and user-data.

import type { Static } from "typebox";
import { boolean, map, optional, string, stringMap, struct } from "./fields.ts";
import { ageColumn, core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  type: optional(string("What the secret is for.", { default: "Opaque" })),
  data: optional(map("The values, base64.", { ...string("One value."), format: "byte" })),
  stringData: optional(stringMap("Values as plain text; moved into `data` when written, never read back.")),
  immutable: optional(boolean("Whether the values can never change.")),
});

export type Secret = KubeObject & Static<typeof schema>;

export const Secret: KindDefinition<Secret> = defineKind({
  ...core,
  kind: "Secret",
  plural: "secrets",
  description: "Small values that are not for everybody to read.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Type", type: "string", jsonPath: ".type" }, ageColumn],
});
