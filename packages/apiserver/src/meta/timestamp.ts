// Times as metav1.Time has them: RFC 3339, UTC, in whole seconds.

export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
