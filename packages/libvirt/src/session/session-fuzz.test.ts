import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import * as fc from "fast-check";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import { LibvirtError } from "../errors/libvirt-error.ts";
import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { encodeMessage } from "../framing/message.ts";
import { connectGetLibVersion, connectListAllDomains } from "../protocol/connect.ts";
import { domainEventKinds } from "../protocol/domain-event.ts";
import { Program } from "../protocol/procedure.ts";
import { storageVolDownload } from "../protocol/storage-volume.ts";
import { Session } from "./session.ts";

const small = fc.integer({ min: 0, max: 6 });
/** Frames that are near to what the session waits for: real programs and procedures, low serials, any type and payload. */
const frame = fc
  .record({
    program: fc.constantFrom(Program.REMOTE, Program.QEMU, Program.KEEPALIVE, 0, 0xffffffff),
    version: fc.constant(1),
    procedure: fc.constantFrom(
      connectGetLibVersion.number,
      connectListAllDomains.number,
      storageVolDownload.number,
      ...domainEventKinds.map((kind) => kind.procedure),
      -1,
    ),
    type: small,
    serial: small,
    status: small,
    payload: fc.uint8Array({ maxLength: 64 }),
  })
  .map((fields) => encodeMessage(fields, fields.payload));
const input = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: frame },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  ),
  { maxLength: 12 },
);

test("whatever the daemon sends, every waiter settles with a value or with an error of this package", async () => {
  await fc.assert(
    fc.asyncProperty(input, async (chunks) => {
      const [ours, theirs] = duplexPair();
      theirs.resume();
      const session = new Session(ours, {
        address: "fuzz",
        defaultTimeoutMs: 10_000,
        keepaliveIntervalMs: 60_000,
        onEvent: () => {},
      });
      const volume = { pool: "p", name: "v", key: "k" };
      const waiters = [
        session.call(connectGetLibVersion, {}),
        session.call(connectListAllDomains, { needResults: 1, flags: 0 }),
        session
          .openStream(storageVolDownload, { volume, offset: 0, length: 0, flags: 0 })
          .then(({ stream }) => stream.read()),
      ];
      for (const chunk of chunks) theirs.write(chunk);
      theirs.end();
      for (const settled of await Promise.allSettled(waiters)) {
        assert.ok(
          settled.status === "fulfilled" ||
            settled.reason instanceof LibvirtConnectionError ||
            settled.reason instanceof LibvirtProtocolError ||
            settled.reason instanceof LibvirtError,
          String(settled.status === "rejected" && settled.reason),
        );
      }
      session.close();
    }),
    { numRuns: 300 },
  );
});
