import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { testCertificate, testKey } from "../testing/test-certificate.ts";
import { OidcTokens, type OidcOptions } from "./oidc-tokens.ts";
import { CredentialsError } from "./token-authenticator.ts";

interface TestProvider {
  readonly issuer: string;
  /** How often its keys were read. */
  readonly reads: () => number;
  sign(claims: Readonly<Record<string, unknown>>, key?: string): Promise<string>;
  addKey(id: string): Promise<void>;
}

async function startProvider(t: TestContext): Promise<TestProvider> {
  const keys = new Map<string, { privateKey: CryptoKey; publicKey: CryptoKey }>();
  const addKey = async (id: string) => void keys.set(id, await generateKeyPair("RS256"));
  await addKey("one");
  let reads = 0;
  const server = createServer({ key: testKey, cert: testCertificate }, (incoming, outgoing) => {
    void (async () => {
      if (incoming.url === "/.well-known/openid-configuration")
        return outgoing.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
      reads++;
      const list = [...keys].map(async ([kid, pair]) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: "RS256" }));
      return outgoing.end(JSON.stringify({ keys: await Promise.all(list) }));
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    reads: () => reads,
    addKey,
    sign(claims, key = "one") {
      const pair = keys.get(key);
      assert.ok(pair !== undefined);
      return new SignJWT({ iss: issuer, aud: "viv", sub: "42", exp: 2_000_000_000, ...claims })
        .setProtectedHeader({ alg: "RS256", kid: key })
        .sign(pair.privateKey);
    },
  };
}

const open = (provider: TestProvider, options: Partial<OidcOptions> = {}) =>
  new OidcTokens(
    { issuerUrl: provider.issuer, clientId: "viv", ca: testCertificate, ...options },
    { now: () => new Date("2030-01-01T00:00:00Z") },
  );

test("name and groups come from the claims, with their prefixes", async (t) => {
  const provider = await startProvider(t);
  const plain = await open(provider).authenticate(await provider.sign({ groups: ["devs"] }));
  assert.deepEqual(plain?.user, { name: `${provider.issuer}#42`, groups: ["system:authenticated"] });
  const options = { usernameClaim: "email", groupsClaim: "groups", groupsPrefix: "oidc:" };
  const token = await provider.sign({ email: "a@example.com", groups: ["devs", "ops"] });
  const mapped = await open(provider, options).authenticate(token);
  assert.deepEqual(mapped?.user, {
    name: "a@example.com",
    groups: ["oidc:devs", "oidc:ops", "system:authenticated"],
  });
});

test("nobody becomes powerful by what his provider lets him claim", async (t) => {
  const provider = await startProvider(t);
  const tokens = open(provider, { usernamePrefix: "-", groupsClaim: "groups" });
  const claimed = await tokens.authenticate(await provider.sign({ sub: "eve", groups: ["system:masters", "devs"] }));
  assert.deepEqual(claimed?.user.groups, ["devs", "system:authenticated"]);
  await assert.rejects(async () => tokens.authenticate(await provider.sign({ sub: "system:admin" })), CredentialsError);
});

test("a token of somebody else is not looked at; a wrong one is refused", async (t) => {
  const provider = await startProvider(t);
  const tokens = open(provider);
  assert.equal(await tokens.authenticate(await provider.sign({ iss: "https://elsewhere" })), undefined);
  assert.equal(await tokens.authenticate("not a token"), undefined);
  assert.equal(provider.reads(), 0);
  const good = await provider.sign({});
  const unverified = open(provider, { usernameClaim: "email" });
  const unverifiedToken = await provider.sign({ email: "a@b", email_verified: false });
  const wrong: readonly [OidcTokens, string][] = [
    [tokens, await provider.sign({ aud: "other" })],
    [tokens, await provider.sign({ exp: 1_000_000_000 })],
    [tokens, `${good.slice(0, -8)}AAAAAAAA`],
    [tokens, `${Buffer.from('{"alg":"none"}').toString("base64url")}.${good.split(".")[1]}.`],
    [unverified, unverifiedToken],
  ];
  for (const [by, token] of wrong) await assert.rejects(by.authenticate(token), CredentialsError);
});

test("a provider that does not answer is asked again later", async (t) => {
  const provider = await startProvider(t);
  const untrusted = new OidcTokens({ issuerUrl: provider.issuer, clientId: "viv" }, { now: () => new Date() });
  const token = await provider.sign({});
  await assert.rejects(untrusted.authenticate(token), /keys of .* cannot be read/);
  await assert.rejects(untrusted.authenticate(token), /keys of .* cannot be read/);
});
