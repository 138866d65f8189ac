import assert from "node:assert/strict";
import { test } from "node:test";
import { imageSourcesOf, unusableImageSourcesOf } from "./image-sources.ts";
import { InvalidValueError } from "./invalid-value-error.ts";

const url = "https://images.example.com/debian.qcow2";
const hex = "ab".repeat(32);

test("both spellings of a libvirt source give the same", () => {
  const expected = [{ kind: "url", url, checksum: { algorithm: "sha256", hex } }];
  assert.deepEqual(imageSourcesOf({ source: { libvirt: { url, checksum: hex } } }), expected);
  assert.deepEqual(imageSourcesOf({ libvirt: { url, checksum: `sha256:${hex.toUpperCase()}` } }), expected);
});

test("a published image comes before the local build", () => {
  const sources = imageSourcesOf({
    source: { debootstrap: { suite: "bookworm", packages: ["curl"] }, libvirt: { url } },
  });
  assert.deepEqual(sources, [
    { kind: "url", url },
    { kind: "debootstrap", suite: "bookworm", packages: ["curl"], diskBytes: 4 * 2 ** 30 },
  ]);
});

test("a path is a file URL", () => {
  assert.deepEqual(imageSourcesOf({ libvirt: { path: "/srv/a b.raw" } }), [
    { kind: "url", url: "file:///srv/a%20b.raw" },
  ]);
});

test("headers go with an http source", () => {
  const headers = { "X-Team": "shop" };
  assert.deepEqual(imageSourcesOf({ source: { http: { url, headers } } }), [{ kind: "url", url, headers }]);
});

test("a checksum that shall not be verified is not given, and not read", () => {
  assert.deepEqual(imageSourcesOf({ libvirt: { url, checksum: "nonsense" }, prepare: { validateChecksum: false } }), [
    { kind: "url", url },
  ]);
});

test("the algorithm before the checksum wins over checksumType", () => {
  const [source] = imageSourcesOf({ libvirt: { url, checksum: `md5:${"0".repeat(32)}`, checksumType: "sha512" } });
  assert.deepEqual(source?.kind === "url" && source.checksum, { algorithm: "md5", hex: "0".repeat(32) });
});

for (const checksum of ["sha256:abcd1234...", "abc", `crc32:${hex}`, `sha1:${hex}`]) {
  test(`checksum "${checksum.slice(0, 24)}" is refused, naming the field`, () => {
    assert.throws(
      () => imageSourcesOf({ source: { libvirt: { url, checksum } } }),
      (error) => error instanceof InvalidValueError && error.field === "spec.source.libvirt.checksum",
    );
  });
}

test("sources that nothing here can use are named", () => {
  const spec = { vsphere: { templateName: "debian" }, source: { registry: { image: "debian:12" } } };
  assert.deepEqual(imageSourcesOf(spec), []);
  assert.deepEqual(unusableImageSourcesOf(spec), ["spec.vsphere", "spec.source.registry"]);
});

test("what a server is shown is named by Secret and key, with the keys that are usual", () => {
  const authentication = {
    bearer: { secretRef: { name: "registry" } },
    headers: { secretRef: { name: "api" } },
    clientCert: { secretRef: { name: "tls" }, keyKey: "client.pem" },
  };
  const credentials = [
    { kind: "bearer", secret: "registry", tokenKey: "token" },
    { kind: "headers", secret: "api" },
    { kind: "certificate", secret: "tls", certKey: "tls.crt", keyKey: "client.pem" },
  ];
  assert.deepEqual(imageSourcesOf({ source: { http: { url, authentication } } }), [{ kind: "url", url, credentials }]);
  const headers = { AUTHORIZATION: "Basic x" };
  assert.throws(
    () => imageSourcesOf({ source: { http: { url, headers, authentication } } }),
    (error) => error instanceof InvalidValueError && /bearer and headers each/.test(error.message),
  );
});
