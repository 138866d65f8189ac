import assert from "node:assert/strict";
import { test } from "node:test";
import { isLibvirtError } from "../errors/libvirt-error.ts";
import { scram } from "./scram.ts";

// The example of RFC 7677, section 3.
const nonce = "rOprNGfwEbeRWgbNEkqO";
const serverFirst = `r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

function start(): ReturnType<ReturnType<typeof scram>["start"]> {
  const mechanism = scram({ name: "SCRAM-SHA-256", hash: "sha256", nonce: () => nonce });
  return mechanism.start({ username: "user", password: "pencil" });
}

test("the example of the RFC comes out as it is there", () => {
  const exchange = start();
  assert.equal(exchange.initial.toString(), `n,,n=user,r=${nonce}`);
  assert.equal(
    exchange.respond(Buffer.from(serverFirst)).toString(),
    `c=biws,r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  );
  assert.equal(exchange.isComplete, false);
  assert.equal(exchange.respond(Buffer.from(serverFinal)).length, 0);
  assert.equal(exchange.isComplete, true);
});

test("a server that does not know the password, or does not take our nonce, is refused", () => {
  const liar = start();
  liar.respond(Buffer.from(serverFirst));
  assert.throws(
    () => liar.respond(Buffer.from(`v=${Buffer.alloc(32).toString("base64")}`)),
    (error) => isLibvirtError(error, "AUTH_FAILED"),
  );
  for (const first of [
    "r=other,s=AAAA,i=4096",
    `r=${nonce},s=AAAA,i=4096`,
    `r=${nonce}x,s=AAAA,i=999999999`,
    "nonsense",
    "",
  ]) {
    assert.throws(
      () => start().respond(Buffer.from(first)),
      (error) => isLibvirtError(error, "AUTH_FAILED"),
      first,
    );
  }
});
