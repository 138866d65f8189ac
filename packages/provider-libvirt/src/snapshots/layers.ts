// The files of one disk: each backs onto the one before it, and a snapshot is one that is not written any more. What of them nobody needs is
// given back in steps of which each leaves every snapshot, and what the VM has now, as it was. Pure.
//
//   image ◄── root ◄── root.S1 ◄── root.S2       root.S2 is the head: what the VM writes
//               ▲         ▲
//              S1         S2                     the snapshots need these as they are
//
// Once S1 is removed nobody needs `root` as it was; only root.S1 backs onto it, so root.S1 is merged down into it and S2 means `root` from
// then on. Always downwards: the work is what was written since, not the whole disk, and the first file keeps its name. While it goes on
// the overlay reads the same, however much of it is in its base already; so an interrupted merge is merely done again.

export interface Layer {
  readonly volume: string;
  /** The volume of the same disk that it backs onto. */
  readonly base?: string;
}

export interface DiskLayers {
  readonly layers: readonly Layer[];
  /** What the domain has for the disk. */
  readonly head: string;
  /** The disk's first file, which is never removed. */
  readonly first: string;
  /** Volumes that snapshots need as they are. */
  readonly frozen: ReadonlySet<string>;
}

export type LayerStep =
  | { readonly kind: "delete"; readonly volume: string }
  /** `top` goes into `base`; whatever needed `top` needs `base` from then on. */
  | { readonly kind: "merge"; readonly base: string; readonly top: string }
  | { readonly kind: "none" };

export function nextLayerStep({ layers, head, first, frozen }: DiskLayers): LayerStep {
  const idle = layers.filter(({ volume }) => volume !== head && !frozen.has(volume));
  // First what is at the end of a branch, so that nothing is merged that nobody needs.
  const end = idle.find(({ volume }) => volume !== first && usersOf(layers, volume).length === 0);
  if (end !== undefined) return { kind: "delete", volume: end.volume };
  for (const { volume } of idle) {
    const [top, ...others] = usersOf(layers, volume);
    if (top === undefined || others.length > 0) continue;
    // Where two branches begin a file stays for both.
    if (usersOf(layers, top.volume).length <= 1) return { kind: "merge", base: volume, top: top.volume };
  }
  return { kind: "none" };
}

/**
 * Whether the merge came to its end, and only the record does not say so: what needed the overlay has the base, and the overlay, which
 * still reads the same, is needed by nobody.
 */
export function isMerged(
  { layers, head }: Pick<DiskLayers, "layers" | "head">,
  { base, top }: { readonly base: string; readonly top: string },
): boolean {
  if (head === base) return true;
  if (head === top || usersOf(layers, top).length > 0) return false;
  return usersOf(layers, base).some(({ volume }) => volume !== top) || !layers.some(({ volume }) => volume === top);
}

/** From this file up to one that nothing backs onto, itself included. */
export function pathUp(layers: readonly Layer[], volume: string): readonly string[] {
  const up = [volume];
  for (let next = usersOf(layers, volume)[0]; next !== undefined; next = usersOf(layers, next.volume)[0]) {
    up.push(next.volume);
  }
  return up;
}

/** From this file down to the first. */
export function chainOf(layers: readonly Layer[], volume: string): readonly string[] {
  const down: string[] = [];
  for (let at: string | undefined = volume; at !== undefined && !down.includes(at);) {
    down.push(at);
    at = layers.find((layer) => layer.volume === at)?.base;
  }
  return down;
}

function usersOf(layers: readonly Layer[], volume: string): readonly Layer[] {
  return layers.filter(({ base }) => base === volume);
}
