// Which fields two specs differ in, by path; entries of lists are told apart by their names. Pure.

export interface SpecChange {
  /** `spec.disks[data].sizeGiB`. */
  readonly path: string;
  /** As JSON; absent where the field is. */
  readonly from?: string;
  readonly to?: string;
}

/** The deepest fields that differ; a whole entry where it comes or goes. */
export function specChanges(from: unknown, to: unknown, path = "spec"): readonly SpecChange[] {
  // A group of fields that comes or goes is told field by field, an entry of a list as a whole.
  const isEntry = path.endsWith("]");
  const [left, right] = [from ?? (isEntry ? undefined : {}), to ?? (isEntry ? undefined : {})];
  if ((isRecord(from) || isRecord(to)) && isRecord(left) && isRecord(right)) {
    return keysOf(left, right).flatMap((key) => specChanges(left[key], right[key], `${path}.${key}`));
  }
  const [before, after] = [namedEntries(from), namedEntries(to)];
  if (before !== undefined && after !== undefined) {
    const entries = keysOf(before, after).flatMap((name) => specChanges(before[name], after[name], `${path}[${name}]`));
    const isMoved = Object.keys(before).join() !== Object.keys(after).join();
    return entries.length === 0 && isMoved ? [leaf(path, from, to)] : entries;
  }
  const change = leaf(path, from, to);
  return change.from === change.to ? [] : [change];
}

function leaf(path: string, from: unknown, to: unknown): SpecChange {
  return {
    path,
    ...(from === undefined ? {} : { from: JSON.stringify(from) }),
    ...(to === undefined ? {} : { to: JSON.stringify(to) }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined for what is no list of named entries; an absent one has none. */
function namedEntries(value: unknown): Fields | undefined {
  if (value === undefined) return {};
  if (!Array.isArray(value)) return undefined;
  const entries = value.flatMap((each: unknown) =>
    isRecord(each) && typeof each["name"] === "string" ? [[each["name"], each] as const] : [],
  );
  return entries.length === value.length ? Object.fromEntries(entries) : undefined;
}

function keysOf(a: Fields, b: Fields): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}
