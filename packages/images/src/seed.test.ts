import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { parse } from "yaml";
import { missingTools } from "./host-tools.ts";
import { writeIso } from "./iso9660.ts";
import { networkConfigFor } from "./network-config.ts";
import { buildSeed } from "./seed.ts";
import type { SeedSpec } from "./seed.ts";

const run = promisify(execFile);
const hasIsoinfo = (await missingTools([{ name: "isoinfo", debianPackage: "genisoimage" }])).length === 0;

const spec: SeedSpec = {
  userData: "#cloud-config\nhostname: web-1\n",
  metaData: { instanceId: "6b3a", localHostname: "web-1", publicKeys: ["ssh-ed25519 AAAA ann"] },
  networkConfig: networkConfigFor([{ macAddress: "52:54:00:AB:cd:01", dhcp4: true }]),
};

/** Reads the image back as a guest would, by Rock Ridge names: a second reading of the standard. */
function readIso(image: Uint8Array): ReadonlyMap<string, Buffer> {
  const bytes = Buffer.from(image);
  const rootSector = bytes.readUInt32LE(16 * 2048 + 156 + 2);
  const rootLength = bytes.readUInt32LE(16 * 2048 + 156 + 10);
  const files = new Map<string, Buffer>();
  for (let offset = rootSector * 2048; offset < rootSector * 2048 + rootLength;) {
    const length = bytes[offset] ?? 0;
    if (length === 0) {
      offset = (Math.floor(offset / 2048) + 1) * 2048;
      continue;
    }
    const record = bytes.subarray(offset, offset + length);
    const nameLength = record[32] ?? 0;
    for (
      let entry = 33 + nameLength + ((nameLength + 1) % 2);
      entry + 4 <= length;
      entry += record[entry + 2] ?? length
    ) {
      if (record.toString("latin1", entry, entry + 2) !== "NM") continue;
      const start = record.readUInt32LE(2) * 2048;
      const text = record.toString("utf8", entry + 5, entry + (record[entry + 2] ?? 0));
      files.set(text, bytes.subarray(start, start + record.readUInt32LE(10)));
    }
    offset += length;
  }
  return files;
}

describe("seed", () => {
  it("is the same bytes for the same input, today and tomorrow", () => {
    const digest = createHash("sha256").update(buildSeed(spec)).digest("hex");
    assert.equal(digest, "e51307fdbbe26dd78b6e133e4197e8beb99909a4de6f1772bc567d8e94e0e086");
  });

  it("has the files that cloud-init looks for, on a volume that it looks for", () => {
    const image = buildSeed({ ...spec, vendorData: "#cloud-config\n{}\n" });
    assert.equal(Buffer.from(image).toString("latin1", 16 * 2048 + 40, 16 * 2048 + 46), "cidata");
    const files = readIso(image);
    assert.deepEqual([...files.keys()], ["meta-data", "network-config", "user-data", "vendor-data"]);
    assert.equal(files.get("user-data")?.toString(), spec.userData);
    assert.deepEqual(parse(files.get("meta-data")?.toString() ?? ""), {
      "instance-id": "6b3a",
      "local-hostname": "web-1",
      "public-keys": ["ssh-ed25519 AAAA ann"],
    });
  });

  it("leaves out network-config when none is given, so that the guest does what it does by itself", () => {
    const { networkConfig: _, ...rest } = spec;
    assert.deepEqual([...readIso(buildSeed(rest)).keys()], ["meta-data", "user-data"]);
  });

  it("writes meta-data that is YAML whatever characters are in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const image = buildSeed({ metaData: { instanceId: text, localHostname: "h", publicKeys: [] } });
        const metaData = readIso(image).get("meta-data")?.toString() ?? "";
        assert.equal((parse(metaData) as Record<string, unknown>)["instance-id"], text.toWellFormed());
        // eslint-disable-next-line no-control-regex -- what PyYAML refuses
        assert.doesNotMatch(metaData, /[\u0000-\u0009\u000b-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/);
      }),
    );
  });

  it("keeps compressed user-data as it is", () => {
    const bytes = Uint8Array.of(0x1f, 0x8b, 8, 0, 255, 128);
    const asText = Buffer.from(bytes).toString("latin1");
    for (const userData of [bytes, asText]) {
      assert.deepEqual(readIso(buildSeed({ ...spec, userData })).get("user-data"), Buffer.from(bytes));
    }
  });
});

describe("ISO image", () => {
  const files = fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}$/),
      content: fc.uint8Array({ maxLength: 5000 }),
    }),
    { selector: (file) => file.name, maxLength: 60 },
  );

  it("gives back every file, also when the directory takes several sectors", () => {
    fc.assert(
      fc.property(files, (list) => {
        const image = writeIso({ volumeId: "data", files: list });
        assert.equal(image.length % 2048, 0);
        const found = readIso(image);
        assert.equal(found.size, list.length);
        for (const { name, content } of list) assert.deepEqual(found.get(name), Buffer.from(content));
      }),
    );
  });

  it("refuses names that it cannot hold", () => {
    const content = new Uint8Array(0);
    for (const name of ["", "a/b", "ü", ".", "a".repeat(65)]) {
      assert.throws(() => writeIso({ volumeId: "x", files: [{ name, content }] }), RangeError, name);
    }
    assert.throws(
      () =>
        writeIso({
          volumeId: "x",
          files: [
            { name: "a", content },
            { name: "a", content },
          ],
        }),
      RangeError,
    );
  });

  it(
    "is read by isoinfo, by Rock Ridge and by Joliet",
    { skip: hasIsoinfo ? false : "isoinfo is not on this host" },
    async () => {
      const directory = await mkdtemp(join(tmpdir(), "viv-iso-"));
      try {
        const path = join(directory, "seed.iso");
        await writeFile(path, buildSeed(spec));
        for (const names of ["-R", "-J"]) {
          const { stdout } = await run("isoinfo", [names, "-i", path, "-x", "/user-data"]);
          assert.equal(stdout, spec.userData);
        }
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );
});
