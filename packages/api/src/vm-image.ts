// VMImage: what root disks are cloned from, where it comes from, and how far its preparation is.

import type { Static } from "typebox";
import { localRef, objectRef, observed, whatGoesOn } from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  duration,
  int32,
  int64,
  list,
  map,
  optional,
  quantity,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra, messageColumn, phaseColumn } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { recipeFields } from "./recipe.ts";

const formats = ["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"] as const;

const checksum = {
  checksum: optional(string("Checksum of the file in hexadecimal; may begin with the algorithm, as in `sha256:…`.")),
  checksumType: optional(
    choice("Algorithm of a checksum that does not name its own.", ["md5", "sha1", "sha256", "sha512"], {
      default: "sha256",
    }),
  ),
};

const vsphere = struct("A template, content library item or OVA for vSphere.", {
  templateName: optional(string("Name of a template in the inventory.", { maxLength: 255 })),
  contentLibrary: optional(
    struct("An item of a content library.", {
      library: string("Name of the library.", { maxLength: 255 }),
      item: string("Name of the item.", { maxLength: 255 }),
      version: optional(string("Version of the item.")),
    }),
  ),
  ovaURL: optional(string("URL of an OVA or OVF.", { pattern: "^https?://.*\\.(ova|ovf)$" })),
  ...checksum,
  providerRef: optional(localRef("The Provider that has the template.")),
});

const libvirt = struct("A disk image for libvirt.", {
  path: optional(string("Path of an image on the host.")),
  url: optional(
    string("URL of a published image: http, https, ftp or file.", { pattern: "^((https?|ftp)://.*|file:///.*)$" }),
  ),
  format: optional(
    choice("Format of the image, for people: what it is is found by its content.", formats, { default: "qcow2" }),
  ),
  ...checksum,
  storagePool: optional(string("Storage pool to keep it in; the provider's own when absent.", { maxLength: 255 })),
});

const http = struct("A disk image at a URL.", {
  url: string("URL of the image.", { pattern: "^https?://.*" }),
  headers: optional(
    stringMap("Headers to send. Who may read the VMImage reads them: see `authentication.headers`.", {
      maxProperties: 20,
    }),
  ),
  ...checksum,
  timeout: optional(duration("How long the download may take; `prepare.timeout` when absent.")),
  authentication: optional(
    struct("How to log in. It is shown to the URL's own host alone, and not where that redirects to another one.", {
      basicAuth: optional(
        struct("User name and password.", {
          secretRef: localRef("The Secret that holds them."),
          usernameKey: optional(string("Key of the user name.", { default: "username" })),
          passwordKey: optional(string("Key of the password.", { default: "password" })),
        }),
      ),
      headers: optional(
        struct("Headers whose values are nobody else's to read.", {
          secretRef: localRef("The Secret that holds them: each entry is a header."),
        }),
      ),
      bearer: optional(
        struct("A bearer token.", {
          secretRef: localRef("The Secret that holds it."),
          tokenKey: optional(string("Key of the token.", { default: "token" })),
        }),
      ),
      clientCert: optional(
        struct("A client certificate.", {
          secretRef: localRef("The Secret that holds it."),
          certKey: optional(string("Key of the certificate.", { default: "tls.crt" })),
          keyKey: optional(string("Key of the private key.", { default: "tls.key" })),
        }),
      ),
    }),
  ),
});

const source = struct(
  "Where the image comes from. Where both a URL and `debootstrap` are given, the URL is tried first.",
  {
    vsphere: optional(vsphere),
    libvirt: optional(libvirt),
    debootstrap: optional(
      struct(
        "A Debian image, built here from the host's own package mirrors: kernel, systemd, cloud-init, SSH server and guest agent.",
        {
          suite: optional(
            string("Release to build, for example `bookworm`; the host's own when absent.", {
              maxLength: 63,
              pattern: "^[a-z][a-z0-9-]*$",
            }),
          ),
          packages: optional(
            list(
              "More packages to install.",
              string("Name of a package.", { maxLength: 255, pattern: "^[a-z0-9][a-z0-9+.-]+$" }),
              {
                maxItems: 200,
              },
            ),
          ),
          diskSize: optional(quantity("Size of the image's disk.", { default: "4Gi" })),
        },
      ),
    ),
    proxmox: optional(
      struct("A template for Proxmox VE.", {
        templateID: optional(int64("Number of the template.", { minimum: 100, maximum: 999999999 })),
        templateName: optional(string("Name of the template.", { maxLength: 255 })),
        storage: optional(string("Storage to clone to.", { maxLength: 255 })),
        node: optional(string("Node that has the template.", { maxLength: 255 })),
        format: optional(choice("Format of the disk.", ["raw", "qcow2", "vmdk"], { default: "qcow2" })),
        fullClone: optional(boolean("Whether to copy instead of link.", { default: true })),
      }),
    ),
    http: optional(http),
    registry: optional(
      struct("An image in a container registry.", {
        image: string("Reference of the image.", { pattern: "^[a-zA-Z0-9._/-]+:[a-zA-Z0-9._-]+$" }),
        pullSecretRef: optional(localRef("The Secret to log in with.")),
        format: optional(choice("Format of the disk.", formats, { default: "qcow2" })),
      }),
    ),
    dataVolume: optional(objectRef("A DataVolume that holds the image.")),
    layer: optional(
      struct(
        "A layer on top of another image: built on each provider that needs it, in a machine from its parent, once for the same parent and recipe.",
        {
          parentRef: localRef("The VMImage that it is built upon."),
          role: optional(string("Name of the VMRole that the recipe is from.", { maxLength: 63 })),
          ...recipeFields,
          resources: optional(
            struct("Size of the machine that it is built in.", {
              cpu: optional(int32("Virtual CPUs.", { minimum: 1, maximum: 128 })),
              memory: optional(quantity("Memory.")),
              diskSize: optional(quantity("Root disk.")),
            }),
          ),
        },
      ),
    ),
  },
);

const prepare = struct("How the image is brought to a provider.", {
  onMissing: optional(
    choice("What to do where a provider lacks it.", ["Import", "Fail", "Wait"], { default: "Import" }),
  ),
  validateChecksum: optional(boolean("Whether to verify the checksum.", { default: true })),
  timeout: optional(duration("How long it may take.", { default: "30m" })),
  retries: optional(int32("How often to try again.", { minimum: 0, maximum: 10, default: 3 })),
  force: optional(
    boolean(
      "Whether to prepare it again where it is already there: once for each change of the spec, it is fetched or built anew, and sent again to each provider where nothing uses it. What disks back onto is not touched.",
    ),
  ),
  refreshInterval: optional(
    duration(
      "How often to look whether the URL gives another image by now, at least `1m`; never when absent. Machines that are there keep the disk that they have; those made later get the new image. An image with a checksum cannot change.",
    ),
  ),
  storage: optional(
    struct("How it is stored.", {
      preferredFormat: optional(
        choice(
          "Format to store it in: `qcow2` or `raw` on libvirt. As it comes when absent, other formats as qcow2.",
          formats,
        ),
      ),
      compression: optional(boolean("Whether to compress it, which is for qcow2.", { default: false })),
      vsphere: optional(
        struct("Storage on vSphere.", {
          datastore: optional(string("Datastore.", { maxLength: 255 })),
          folder: optional(string("Folder.", { maxLength: 255 })),
          thinProvisioned: optional(boolean("Whether space is set aside as it is written.")),
          diskType: optional(choice("How space is set aside.", ["thin", "thick", "eagerzeroedthick"])),
        }),
      ),
      libvirt: optional(
        struct("Storage on libvirt.", {
          storagePool: optional(string("Storage pool.", { maxLength: 255 })),
          allocationPolicy: optional(choice("When space is set aside.", ["eager", "lazy"])),
          preallocation: optional(choice("How space is set aside.", ["off", "metadata", "falloc", "full"])),
        }),
      ),
    }),
  ),
  optimization: optional(
    struct("What to do to it on the way.", {
      enableCompression: optional(boolean("Compress it. As `storage.compression`.", { default: false })),
      removeUnusedSpace: optional(boolean("Drop unused blocks.", { default: false })),
      convertFormat: optional(choice("Convert it. As `storage.preferredFormat`.", formats)),
      enableDeltaSync: optional(boolean("Send only what changed.", { default: false })),
    }),
  ),
});

const spec = struct("Where the image comes from and how it is prepared.", {
  source: optional(source),
  vsphere: optional(vsphere),
  libvirt: optional(libvirt),
  prepare: optional(prepare),
  metadata: optional(
    struct("What the image is, for people.", {
      displayName: optional(string("Name to show.", { maxLength: 255 })),
      description: optional(string("What it is.", { maxLength: 1024 })),
      version: optional(string("Its version.", { maxLength: 100 })),
      architecture: optional(
        choice("Processor it runs on.", ["amd64", "arm64", "x86_64", "aarch64"], { default: "amd64" }),
      ),
      tags: optional(stringMap("Tags.", { maxProperties: 50 })),
      annotations: optional(stringMap("Notes.", { maxProperties: 50 })),
    }),
  ),
  distribution: optional(
    struct("The operating system in it.", {
      name: optional(
        choice("Which.", [
          "ubuntu",
          "centos",
          "rhel",
          "fedora",
          "debian",
          "suse",
          "windows",
          "freebsd",
          "coreos",
          "other",
        ]),
      ),
      version: optional(string("Version.", { maxLength: 100 })),
      variant: optional(string("Variant.", { maxLength: 100 })),
      family: optional(choice("Family.", ["linux", "windows", "bsd", "other"])),
      kernel: optional(
        struct("Kernel.", {
          version: optional(string("Version.")),
          type: optional(choice("Which.", ["linux", "windows", "freebsd", "other"])),
        }),
      ),
    }),
  ),
});

const status = struct("How far the image is.", {
  ready: optional(boolean("Whether machines can be cloned from it.")),
  phase: optional(
    choice("Where its preparation is.", [
      "Pending",
      "Downloading",
      "Importing",
      "Converting",
      "Optimizing",
      "Ready",
      "Failed",
    ]),
  ),
  message: optional(whatGoesOn()),
  source: optional(choice("Which of its sources was used.", ["url", "debootstrap", "layer"])),
  digest: optional(string("`sha256:` and the digest of the image's bytes; names it on every provider.")),
  checksum: optional(string("Checksum of the image's bytes.")),
  format: optional(choice("Format of the image.", formats)),
  size: optional(quantity("Size of the file.")),
  virtualSize: optional(quantity("Size of the disk that the guest sees.")),
  availableOn: optional(list("Providers that have it.", string("Name of a Provider."))),
  lastPrepareTime: optional(dateTime("When it was last prepared.")),
  lastRefreshTime: optional(dateTime("When the source was last asked for a newer image.")),
  prepareTaskRef: optional(string("The provider's task that prepares it.")),
  importProgress: optional(
    struct("How far the present step is.", {
      totalBytes: optional(int64("Bytes in all; 0 when not known.")),
      transferredBytes: optional(int64("Bytes done.")),
      transferRate: optional(int64("Bytes per second.")),
      percentage: optional(int32("Part done.", { minimum: 0, maximum: 100 })),
      startTime: optional(dateTime("When the step began.")),
      eta: optional(duration("How much longer it takes.")),
    }),
  ),
  providerStatus: optional(
    map(
      "The image on each provider.",
      struct("The image on one provider.", {
        available: boolean("Whether it is there."),
        id: optional(string("Its id there.")),
        path: optional(string("Where it lies.")),
        message: optional(string("Why it is not there.")),
        size: optional(quantity("Size of the file.")),
        checksum: optional(string("Of a layer: `sha256:` and the digest of the file that was made there.")),
        lastUpdated: optional(dateTime("When that was seen.")),
      }),
    ),
  ),
  verification: optional(
    map(
      "What was found on each provider when its file there was last read.",
      struct("What was found on one provider.", {
        outcome: choice("What was found; `Unknown` where it could not be read or compared.", [
          "Intact",
          "Damaged",
          "Missing",
          "Unknown",
        ]),
        message: string("The same for people."),
        time: dateTime("When it was read."),
      }),
    ),
  ),
  lastValidationRequest: optional(
    string("Value of the annotation `vivarium.dev/validate-requested-at` that was last carried out."),
  ),
  ...observed(
    "`Ready` and `Importing`: what holds, why, and what happens next. `Refreshed`: whether the source could be asked for a newer image. `Verified`: what its files were when they were last read.",
  ),
});

export type VMImageSpec = Static<typeof spec>;
export type VMImageStatus = Static<typeof status>;
export type VMImage = Resource<VMImageSpec, VMImageStatus>;

export const VMImage: KindDefinition<VMImage> = defineKind({
  ...infra,
  kind: "VMImage",
  plural: "vmimages",
  shortNames: ["vmimg"],
  description: "A disk image that root disks are cloned from.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Ready", type: "boolean", jsonPath: ".status.ready" },
    phaseColumn,
    { name: "Size", type: "string", jsonPath: ".status.size" },
    { name: "Providers", type: "string", jsonPath: ".status.availableOn[*]" },
    ageColumn,
    { name: "Progress", type: "integer", jsonPath: ".status.importProgress.percentage", priority: 1 },
    messageColumn,
  ],
});
