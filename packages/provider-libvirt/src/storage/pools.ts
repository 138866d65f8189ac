// Pools: looked at, made, started, removed. A pool that was made for a StoragePool has that object's uid as its UUID, so that a repeat
// after a crash finds its own work, and so that somebody else's pool of the same name is never touched.

import { isLibvirtError, isUnsupportedCall } from "@vivarium/libvirt";
import type { Libvirt, StoragePool } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, PoolDefinition, PoolObservation, PoolRef, PoolRole } from "@vivarium/provider";
import { invalidSpec } from "../libvirt-host.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { parsePoolXml } from "../pool-xml.ts";
import { findAll, parseXml } from "../xml/element.ts";
import { hasDeviceMapper, hasFileSystem } from "./host-kernel.ts";
import { buildPoolDefinitionXml, isBuiltWithPool, missingFieldsOf } from "./pool-definition.ts";

export function createPools(host: LibvirtHost): PoolRole {
  return {
    observe: (pool, options) =>
      host.attempt(`look at pool "${pool.name}"`, (libvirt) => observe(libvirt, pool, options), options),

    check: (definition, options) =>
      host.attempt(
        `make pool "${definition.name}"`,
        (libvirt) => check(libvirt, { definition, host, options }),
        options,
      ),

    create: (definition, options) =>
      host.attempt(`make pool "${definition.name}"`, (libvirt) => create(libvirt, definition, options), options),

    async start(ref, options) {
      await host.attempt(
        `start pool "${ref.name}"`,
        async (libvirt) => start(libvirt, await require(libvirt, { ref, action: "start", options }), options),
        options,
      );
    },

    async refresh(ref, options) {
      await host.attempt(
        `refresh pool "${ref.name}"`,
        async (libvirt) => {
          const pool = await require(libvirt, { ref, action: "refresh", options });
          try {
            await libvirt.storagePoolRefresh(pool, options);
          } catch (error) {
            // Refused, with no code of its own, while any volume is being made or written; the next one will do.
            if (!isLibvirtError(error, "INTERNAL_ERROR")) throw error;
            throw new ProviderError("Unavailable", `Cannot refresh pool "${ref.name}": ${error.message}`, {
              cause: error,
            });
          }
        },
        options,
      );
    },

    remove: (ref, options) =>
      host.attempt(`remove pool "${ref.name}"`, (libvirt) => remove(libvirt, ref, options), options),
  };
}

async function observe(libvirt: Libvirt, ref: PoolRef, options: CallOptions | undefined): Promise<PoolObservation> {
  const pool = await lookUp(libvirt, ref.name, options);
  if (pool === undefined) return { kind: "absent" };
  if (ref.kind === "made" && pool.uuid !== ref.uid) {
    return { kind: "foreign", reason: `its UUID is ${pool.uuid}, this pool's is ${ref.uid}` };
  }
  try {
    const [isActive, xml, info] = await Promise.all([
      libvirt.storagePoolIsActive(pool, options),
      libvirt.storagePoolGetXmlDesc(pool, options),
      libvirt.storagePoolGetInfo(pool, options),
    ]);
    const view = parsePoolXml(xml);
    const sizes = isActive ? await volumeSizes(libvirt, pool, options) : [];
    return {
      kind: "present",
      isActive,
      type: view.type,
      ...(view.path === "" ? {} : { path: view.path }),
      capacityBytes: info.capacityBytes,
      allocationBytes: info.allocationBytes,
      availableBytes: info.availableBytes,
      provisionedBytes: sizes.reduce((sum, size) => sum + size, 0),
      volumes: sizes.length,
    };
  } catch (error) {
    if (isLibvirtError(error, "NO_STORAGE_POOL")) return { kind: "absent" };
    throw error;
  }
}

async function volumeSizes(
  libvirt: Libvirt,
  pool: StoragePool,
  options: CallOptions | undefined,
): Promise<readonly number[]> {
  const volumes = await libvirt.storagePoolListAllVolumes(pool, options);
  return Promise.all(
    volumes.map(async (volume) => {
      try {
        return (await libvirt.storageVolGetInfo(volume, options)).capacityBytes;
      } catch (error) {
        // Gone meanwhile, or a file that the host cannot read.
        if (isLibvirtError(error, "NO_STORAGE_VOL", "SYSTEM_ERROR", "OPERATION_FAILED", "INTERNAL_ERROR")) return 0;
        throw error;
      }
    }),
  );
}

async function check(
  libvirt: Libvirt,
  {
    definition,
    host,
    options,
  }: { readonly definition: PoolDefinition; readonly host: LibvirtHost; readonly options: CallOptions | undefined },
): Promise<void> {
  const { name, type, source } = definition;
  const unsupported = (why: string): ProviderError =>
    new ProviderError("Unsupported", `Cannot make pool "${name}" of type "${type}": ${why}`);
  const missing = missingFieldsOf(definition);
  if (missing.length > 0) {
    throw invalidSpec(`Cannot make pool "${name}": type "${type}" needs ${missing.join(" and ")}`);
  }
  const supported = await supportedTypes(libvirt, options);
  if (supported !== undefined && !supported.includes(type)) {
    throw unsupported(`this libvirt has ${supported.join(", ")}`);
  }
  if (!host.isLocal) return;
  if ((type === "logical" || type === "mpath") && !(await hasDeviceMapper())) {
    throw unsupported("the host's kernel has no device-mapper");
  }
  const fileSystem = type === "netfs" ? (source?.format ?? "nfs") : type === "fs" ? source?.format : undefined;
  if (fileSystem !== undefined && fileSystem !== "auto" && !(await hasFileSystem(fileSystem))) {
    throw unsupported(`the host's kernel has no file system "${fileSystem}"`);
  }
}

/** Undefined where the server is too old to tell: then making the pool tells. */
async function supportedTypes(
  libvirt: Libvirt,
  options: CallOptions | undefined,
): Promise<readonly string[] | undefined> {
  try {
    const root = parseXml(await libvirt.connectGetStoragePoolCapabilities(options));
    return findAll(root, "pool").flatMap(({ attributes }) =>
      attributes["supported"] === "yes" && attributes["type"] !== undefined ? [attributes["type"]] : [],
    );
  } catch (error) {
    if (isUnsupportedCall(error)) return undefined;
    throw error;
  }
}

async function create(libvirt: Libvirt, definition: PoolDefinition, options: CallOptions | undefined): Promise<void> {
  const { name, uid } = definition;
  const found = await lookUp(libvirt, name, options);
  if (found !== undefined && found.uuid !== uid) {
    const message = `Cannot make pool "${name}": the hypervisor has another pool of that name (UUID ${found.uuid})`;
    throw new ProviderError("Conflict", message);
  }
  const pool = found ?? (await libvirt.storagePoolDefineXml(buildPoolDefinitionXml(definition), options));
  await start(libvirt, pool, options);
  await libvirt.storagePoolSetAutostart(pool, true, options);
}

/** What lies below it is built where it cannot be started as it is: a folder that is not there, a group of volumes. */
async function start(libvirt: Libvirt, pool: StoragePool, options: CallOptions | undefined): Promise<void> {
  if (await libvirt.storagePoolIsActive(pool, options)) return;
  try {
    await libvirt.storagePoolCreate(pool, options);
    return;
  } catch (error) {
    if (await libvirt.storagePoolIsActive(pool, options)) return;
    const root = parseXml(await libvirt.storagePoolGetXmlDesc(pool, options));
    const hasDevices = findAll(root, "source", "device").length > 0;
    if (!isBuiltWithPool({ type: root.attributes["type"] ?? "", hasDevices })) throw error;
  }
  await libvirt.storagePoolBuild(pool, options);
  await libvirt.storagePoolCreate(pool, options);
}

async function remove(
  libvirt: Libvirt,
  ref: Extract<PoolRef, { kind: "made" }>,
  options: CallOptions | undefined,
): Promise<void> {
  const pool = await lookUp(libvirt, ref.name, options);
  if (pool === undefined || pool.uuid !== ref.uid) return;
  const root = parseXml(await libvirt.storagePoolGetXmlDesc(pool, options));
  // Only an active pool says what lies in it, and what it says must not be of yesterday.
  await start(libvirt, pool, options);
  await libvirt.storagePoolRefresh(pool, options);
  const volumes = await libvirt.storagePoolListAllVolumes(pool, options);
  if (volumes.length > 0) {
    const names = volumes.map((volume) => volume.name).toSorted();
    const some = names.slice(0, 5).join(", ");
    const message = `Cannot remove pool "${ref.name}": ${names.length} volumes lie in it (${some}${names.length > 5 ? ", …" : ""})`;
    throw new ProviderError("Conflict", message);
  }
  await libvirt.storagePoolDestroy(pool, options);
  const type = root.attributes["type"] ?? "";
  if (isBuiltWithPool({ type, hasDevices: findAll(root, "source", "device").length > 0 })) {
    try {
      await libvirt.storagePoolDelete(pool, options);
    } catch (error) {
      // A folder that holds what is no volume, or is a mount point of its own, stays.
      if (!isLibvirtError(error, "SYSTEM_ERROR", "INTERNAL_ERROR", "OPERATION_FAILED")) throw error;
    }
  }
  await libvirt.storagePoolUndefine(pool, options);
}

async function lookUp(
  libvirt: Libvirt,
  name: string,
  options: CallOptions | undefined,
): Promise<StoragePool | undefined> {
  try {
    return await libvirt.storagePoolLookupByName(name, options);
  } catch (error) {
    if (isLibvirtError(error, "NO_STORAGE_POOL")) return undefined;
    throw error;
  }
}

async function require(
  libvirt: Libvirt,
  {
    ref,
    action,
    options,
  }: { readonly ref: PoolRef; readonly action: string; readonly options: CallOptions | undefined },
): Promise<StoragePool> {
  const pool = await lookUp(libvirt, ref.name, options);
  if (pool === undefined || (ref.kind === "made" && pool.uuid !== ref.uid)) {
    throw new ProviderError("NotFound", `Cannot ${action} pool "${ref.name}": the hypervisor has none of that name`);
  }
  return pool;
}
