// What providers found out at a cost, kept over restarts: whether KVM really works, above all. Losing it costs time, never truth.

import { readFileSync } from "node:fs";
import type { Memo } from "@vivarium/provider-libvirt";
import { writePrivateFile } from "../write-private-file.ts";

export function fileMemo(path: string): Memo {
  const entries = read(path);
  return {
    get: async (key) => entries.get(key),
    set: async (key, value) => {
      if (entries.get(key) === value) return;
      entries.set(key, value);
      writePrivateFile(path, `${JSON.stringify(Object.fromEntries(entries))}\n`);
    },
  };
}

function read(path: string): Map<string, string> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, string>));
  } catch {
    // Not there yet, or cut by a full disk: it is found out again.
    return new Map();
  }
}
