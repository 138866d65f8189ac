// One JSON line per event on stderr; the detached server's stderr is its log file. Written at once: the last line before a kill counts.

import { destination, pino, type Logger } from "pino";

export function serverLogger(): Logger {
  const level = process.env["VIV_LOG_LEVEL"] ?? "info";
  return pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    destination({ dest: 2, sync: true }),
  );
}
