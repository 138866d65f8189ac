// How a role is named by what uses it.

import { optional, string, struct } from "./fields.ts";

export function vmRoleRef(description: string) {
  return struct(description, {
    name: string("Name of the VMRole: in the same namespace, else among those that ship with the product.", {
      maxLength: 63,
      pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    }),
    image: optional(
      string("Plain image to begin with, one of those that the role names; the first of them when absent.", {
        maxLength: 200,
      }),
    ),
  });
}
