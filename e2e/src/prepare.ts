// Makes what the end-to-end tests need from the network, before they enter namespaces that have none.

import { kubectlPath } from "./support/kubectl.ts";
import { tinyGuestImage } from "./support/tiny-guest.ts";

console.log(`kubectl: ${await kubectlPath()}`);
console.log(`tiny guest: ${await tinyGuestImage()}`);
