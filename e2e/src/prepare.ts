// Makes what the end-to-end tests need from the network, before they enter namespaces that have none.

import { existsSync } from "node:fs";
import { ensureEtcd } from "./support/etcd.ts";
import { helmPath, kubectlPath } from "./support/kubectl.ts";
import { ensureTestPackages } from "./support/test-packages.ts";
import { tinyAgentGuestImage } from "./support/tiny-agent-guest.ts";
import { tinyGuestImage } from "./support/tiny-guest.ts";
import { tinyLayerGuestImage } from "./support/tiny-layer-guest.ts";
import { secureBootFirmware, tinyUefiGuestImage } from "./support/tiny-uefi-guest.ts";

try {
  ensureTestPackages();
  ensureEtcd();
  await kubectlPath();
  await helmPath();
  await tinyGuestImage();
  await tinyAgentGuestImage();
  await tinyLayerGuestImage();
  if (existsSync(secureBootFirmware)) await tinyUefiGuestImage();
} catch (error) {
  console.error(`The end-to-end tests cannot be prepared: ${(error as Error).message}`);
  process.exitCode = 1;
}
