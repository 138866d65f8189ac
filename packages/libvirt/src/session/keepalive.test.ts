import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Keepalive } from "./keepalive.ts";

function start(): { keepalive: Keepalive; log: string[]; setPaused: (isPaused: boolean) => void; tick: () => void } {
  const log: string[] = [];
  let isPaused = false;
  mock.timers.enable({ apis: ["setInterval"] });
  const keepalive = new Keepalive({
    intervalMs: 1000,
    maxMissed: 2,
    sendPing: () => log.push("ping"),
    onDead: () => log.push("dead"),
    isPaused: () => isPaused,
  });
  return {
    keepalive,
    log,
    setPaused: (value) => {
      isPaused = value;
    },
    tick: () => mock.timers.tick(1000),
  };
}

test("a peer that is heard is not pinged", () => {
  const { keepalive, log, tick } = start();
  for (let index = 0; index < 5; index++) {
    keepalive.heard();
    tick();
  }
  assert.deepEqual(log, []);
  mock.timers.reset();
});

test("a silent peer is pinged, and is dead after two unanswered pings", () => {
  const { log, tick } = start();
  tick();
  assert.deepEqual(log, []);
  tick();
  tick();
  assert.deepEqual(log, ["ping", "ping"]);
  tick();
  tick();
  assert.deepEqual(log, ["ping", "ping", "dead"]);
  mock.timers.reset();
});

test("an answer starts the count over", () => {
  const { keepalive, log, tick } = start();
  for (let index = 0; index < 3; index++) tick();
  keepalive.heard();
  for (let index = 0; index < 3; index++) tick();
  assert.deepEqual(log, ["ping", "ping", "ping", "ping"]);
  mock.timers.reset();
});

test("nothing is asked while we do not read", () => {
  const { log, tick, setPaused } = start();
  setPaused(true);
  for (let index = 0; index < 9; index++) tick();
  assert.deepEqual(log, []);
  mock.timers.reset();
});
