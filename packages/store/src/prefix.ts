// A prefix as a half-open range of keys.

/** The first key after all keys with this prefix; undefined for the empty prefix, which has no end. */
export function endOfPrefix(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}
