// Every kind there is. Lists, not registries: a kind counts because it is named here.

import { ClusterRole } from "./cluster-role.ts";
import { ClusterRoleBinding } from "./cluster-role-binding.ts";
import { ConfigMap } from "./config-map.ts";
import { Event } from "./event.ts";
import { EventsEvent } from "./events-event.ts";
import { Host } from "./host.ts";
import { ImageBuild } from "./image-build.ts";
import type { KindDefinition } from "./kind.ts";
import { Lease } from "./lease.ts";
import { Namespace } from "./namespace.ts";
import { Operation } from "./operation.ts";
import { Provider } from "./provider.ts";
import { Role } from "./role.ts";
import { RoleBinding } from "./role-binding.ts";
import { ResourceQuota } from "./resource-quota.ts";
import { Secret } from "./secret.ts";
import { StoragePool } from "./storage-pool.ts";
import { ServiceAccount } from "./service-account.ts";
import { ValidatingAdmissionPolicy } from "./validating-admission-policy.ts";
import { ValidatingAdmissionPolicyBinding } from "./validating-admission-policy-binding.ts";
import { VirtualMachine } from "./virtual-machine.ts";
import { VirtualNetwork } from "./virtual-network.ts";
import { VMClass } from "./vm-class.ts";
import { VMClone } from "./vm-clone.ts";
import { VMGroup } from "./vm-group.ts";
import { VMImage } from "./vm-image.ts";
import { VMMigration } from "./vm-migration.ts";
import { VMSet } from "./vm-set.ts";
import { VMSetRevision } from "./vm-set-revision.ts";
import { VMNetworkAttachment } from "./vm-network-attachment.ts";
import { VMRole } from "./vm-role.ts";
import { VMPlacementPolicy } from "./vm-placement-policy.ts";
import { VMSnapshot } from "./vm-snapshot.ts";
import { VMExport } from "./vm-export.ts";
import { VMTemplate } from "./vm-template.ts";
import { VMSnapshotSchedule } from "./vm-snapshot-schedule.ts";
import { Volume } from "./volume.ts";

/** The kinds that Vivarium is about; installed as CustomResourceDefinitions. */
export const kinds: readonly KindDefinition[] = [
  Provider,
  Host,
  VirtualMachine,
  VMClass,
  VMImage,
  VMNetworkAttachment,
  VMSnapshot,
  VMMigration,
  VMClone,
  VMTemplate,
  VMExport,
  VMSnapshotSchedule,
  VMSet,
  VMSetRevision,
  VMGroup,
  Operation,
  VMPlacementPolicy,
  StoragePool,
  Volume,
  VirtualNetwork,
  VMRole,
  ImageBuild,
];

/** The kinds of Kubernetes' own that Vivarium needs; a real cluster has them already. */
export const coreKinds: readonly KindDefinition[] = [
  Namespace,
  Secret,
  ConfigMap,
  Event,
  EventsEvent,
  Lease,
  ServiceAccount,
  Role,
  RoleBinding,
  ClusterRole,
  ClusterRoleBinding,
  ResourceQuota,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
];
