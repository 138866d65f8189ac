// First-boot configuration, as several kinds carry it.

import { localRef } from "./common-fields.ts";
import { optional, string, struct } from "./fields.ts";

export function userData(description: string) {
  return struct(description, {
    cloudInit: optional(
      struct("cloud-init user-data.", {
        inline: optional(string("The text itself, usually beginning with `#cloud-config`.")),
        secretRef: optional(
          localRef("A Secret that holds the text under `user-data` or `userdata`, or as its only key."),
        ),
      }),
    ),
    vendorData: optional(
      struct("cloud-init vendor-data: what is done besides, and gives way to the user-data.", {
        inline: optional(string("The text itself.")),
      }),
    ),
    ignition: optional(
      struct("Ignition configuration, for Fedora CoreOS and its kin.", {
        inline: optional(string("The JSON itself.")),
        secretRef: optional(localRef("A Secret that holds the JSON.")),
      }),
    ),
  });
}
