// Image sources, the cache that holds images, local builds, and cloud-init seeds.

export type {
  CachedImage,
  ClientCertificate,
  DebootstrapSource,
  EnsureOptions,
  ImageCache,
  ImageErrorCode,
  ImageProgress,
  ImageSource,
  UrlSource,
} from "./image-source.ts";
export { ImageError } from "./image-source.ts";
export { buildSeed } from "./seed.ts";
export type { SeedMetaData, SeedSpec } from "./seed.ts";
export { networkConfigFor } from "./network-config.ts";
export type { EthernetConfig, NetworkConfig, SeedNic, SeedRoute } from "./network-config.ts";
export { makeBootableDisk } from "./bootable-disk.ts";
export type { BootableDiskSpec } from "./bootable-disk.ts";
export { writeCpio } from "./cpio.ts";
export type { CpioEntry } from "./cpio.ts";
export { findKernelModules } from "./kernel-modules.ts";
export type { KernelModule } from "./kernel-modules.ts";
export { createImageCache } from "./image-cache.ts";
export type { ImageCacheOptions, ImageLogger } from "./image-cache.ts";
export type { ImageClock } from "./download.ts";
export { safeUrl } from "./http-source.ts";
export type { ImageFetch, ImageResponse } from "./http-source.ts";
export { debootstrapHostPackages } from "./debootstrap-build.ts";
export { checkUserData } from "./user-data.ts";
export type { UserDataProblem } from "./user-data.ts";
export { layerDigestOf, mergeRecipes, recipeDigestOf } from "./layers/layer-digest.ts";
export { findUnreachable } from "./layers/find-unreachable.ts";
export type { UnreachableUrl } from "./layers/find-unreachable.ts";
export { neededUrls } from "./layers/needed-urls.ts";
export { provisionState } from "./layers/provision-log.ts";
export type { ProvisionState } from "./layers/provision-log.ts";
export { provisionScript } from "./layers/provision-script.ts";
export { createImageExports } from "./image-exports.ts";
export type { ExportedFile, ImageExports } from "./image-exports.ts";
export type { ExportedDisk, ExportProgress } from "./export-disk.ts";
export type { PackagedMachine } from "./ova/write-descriptor.ts";
export { openImageBackupFolder } from "./image-backup-folder.ts";
export type { ImageBackupFolder } from "./image-backup-folder.ts";
