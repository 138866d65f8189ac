import assert from "node:assert/strict";
import { test } from "node:test";
import { coreKinds, kinds, Secret, VMClass, VMNetworkAttachment } from "@vivarium/api";
import { kindFileName, toReferenceIndex, toReferencePage } from "./reference-page.ts";

test("a page has the name of the kind's source file", () => {
  assert.deepEqual([VMClass, VMNetworkAttachment, Secret].map(kindFileName), [
    "vm-class.md",
    "vm-network-attachment.md",
    "secret.md",
  ]);
});

test("a page shows each field with its type, default and bounds", () => {
  const page = toReferencePage(VMClass);
  assert.match(page, /^\| `spec\.cpu` \*\*required\*\* \| int32 \| {2}\| Virtual CPUs\. \(1 to 128\) \|$/m);
  assert.match(page, /^\| `spec\.memory` \*\*required\*\* \| quantity \|/m);
  assert.match(page, /^\| `spec\.firmware` \| `BIOS` `UEFI` `EFI` \| `"BIOS"` \|/m);
  assert.match(page, /^\| `status\.conditions\[\]\.reason` \*\*required\*\* \| string \|/m);
  assert.match(page, /^\| `status\.validationResults\.\*\.valid` \*\*required\*\* \| boolean \|/m);
});

test("a kind without spec shows its own fields", () => {
  assert.match(toReferencePage(Secret), /^## Fields[^]*^\| `stringData` \| map of string \|/m);
});

test("no table is broken by what is in it", () => {
  for (const kind of [...kinds, ...coreKinds]) {
    for (const line of toReferencePage(kind).split("\n")) {
      if (!line.startsWith("| `")) continue;
      assert.equal(line.replaceAll("\\|", "").split("|").length, 6, `${kind.kind}: ${line}`);
    }
  }
});

test("the index names every kind", () => {
  const index = toReferenceIndex(kinds, coreKinds);
  for (const kind of [...kinds, ...coreKinds]) assert.ok(index.includes(`[${kind.kind}](${kindFileName(kind)})`));
});
