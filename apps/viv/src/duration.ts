// Durations as people write them on a command line and as we write them back.

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `90s`, `5m`, `1h30m`, `250ms`; a bare number is seconds. Undefined when it is none of these. */
export function parseDurationMs(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(value) * unitMs[unit as keyof typeof unitMs];
  }
  return total;
}

/** `0.4s`, `45s`, `3m12s`, `5h3m`, `4d`: two units at most, as `kubectl get` shows ages. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 100) return `${Math.round(ms)}ms`;
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 10) return `${(Math.round(seconds * 10) / 10).toString()}s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes}m` : `${minutes}m${whole % 60}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d`;
}
