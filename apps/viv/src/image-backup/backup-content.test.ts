import assert from "node:assert/strict";
import { test } from "node:test";
import { VMImage } from "@vivarium/api";
import { filesOf, withFormer } from "./backup-content.ts";
import type { ImageBackupContent, ImageFileRecord } from "./backup-content.ts";

function imageOf(
  name: string,
  { parent, digest = name }: { readonly parent?: string; readonly digest?: string } = {},
): VMImage {
  return {
    apiVersion: `${VMImage.group}/${VMImage.version}`,
    kind: VMImage.kind,
    metadata: { name, namespace: "default" },
    spec: parent === undefined ? {} : { source: { layer: { parentRef: { name: parent } } } },
    status: {
      digest,
      format: "qcow2",
      virtualSize: "1Gi",
      providerStatus: {
        local: {
          available: true,
          path: `/pool/${name}`,
          ...(parent === undefined ? {} : { checksum: `made-${name}` }),
        },
        far: { available: false, message: "Not there yet" },
      },
    },
  };
}

const record = (image: string, digest = image): ImageFileRecord => ({
  namespace: "default",
  image,
  provider: "local",
  host: { namespace: "default", name: "local" },
  digest,
  contentDigest: `sha256:${digest}`,
  format: "qcow2",
  sizeBytes: 1,
  virtualSizeBytes: 2 ** 30,
  path: `/pool/${image}`,
  backedUpAt: "2026-01-01T00:00:00Z",
});

const contentOf = (part: Partial<ImageBackupContent>): ImageBackupContent => ({
  createdAt: "2026-01-02T00:00:00Z",
  images: [],
  roles: [],
  files: [],
  ...part,
});

test("parents come first, and a file that never was anywhere is none", () => {
  const files = filesOf([
    imageOf("docker", { parent: "base" }),
    imageOf("base", { parent: "debian" }),
    imageOf("debian"),
  ]);
  assert.deepEqual(
    files.map(({ image, provider, expected }) => [image, provider, expected]),
    [
      ["debian", "local", "debian"],
      ["base", "local", "made-base"],
      ["docker", "local", "made-docker"],
    ],
  );
});

test("what is not there any more stays in the backup as it was, what is there replaces it", () => {
  const former = contentOf({ images: [imageOf("gone"), imageOf("debian")], files: [record("gone"), record("debian")] });
  const fresh = { ...record("debian"), backedUpAt: "2026-01-02T00:00:00Z" };
  const merged = withFormer(contentOf({ images: [imageOf("debian")], files: [fresh] }), former);
  assert.deepEqual(merged.images.map(({ metadata }) => metadata.name).toSorted(), ["debian", "gone"]);
  assert.deepEqual(
    merged.files.toSorted((a, b) => a.image.localeCompare(b.image)),
    [fresh, record("gone")],
  );
});

test("the file that an image was before stays, beside that which it is", () => {
  const former = contentOf({ images: [imageOf("debian", { digest: "old" })], files: [record("debian", "old")] });
  const merged = withFormer(contentOf({ images: [imageOf("debian")], files: [record("debian")] }), former);
  assert.deepEqual(merged.files.map(({ digest }) => digest).toSorted(), ["debian", "old"]);
  assert.equal(merged.images.length, 1);
});
