// virDomainSnapshot…, virDomainCheckpoint…, virDomainBackup…

import type { Domain, DomainCheckpoint, DomainSnapshot } from "../protocol/handles.ts";
import * as calls from "../protocol/domain-snapshot.ts";
import type { FlagOptions } from "../session/call-options.ts";
import { needResults } from "./caller.ts";
import { DomainGuestMethods } from "./domain-guest-methods.ts";

export abstract class DomainSnapshotMethods extends DomainGuestMethods {
  /** XML: https://libvirt.org/formatsnapshot.html. Flags: DomainSnapshotCreateFlags. */
  async domainSnapshotCreateXml(domain: Domain, xml: string, options: FlagOptions = {}): Promise<DomainSnapshot> {
    return (await this.call(calls.domainSnapshotCreateXml, { domain, xml, flags: options.flags ?? 0 }, options))
      .snapshot;
  }

  /** Flags: DomainXmlFlags SECURE. */
  async domainSnapshotGetXmlDesc(snapshot: DomainSnapshot, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainSnapshotGetXmlDesc, { snapshot, flags: options.flags ?? 0 }, options)).xml;
  }

  /** NO_DOMAIN_SNAPSHOT when there is none. */
  async domainSnapshotLookupByName(domain: Domain, name: string, options: FlagOptions = {}): Promise<DomainSnapshot> {
    return (await this.call(calls.domainSnapshotLookupByName, { domain, name, flags: options.flags ?? 0 }, options))
      .snapshot;
  }

  async domainHasCurrentSnapshot(domain: Domain, options: FlagOptions = {}): Promise<boolean> {
    return (await this.call(calls.domainHasCurrentSnapshot, { domain, flags: options.flags ?? 0 }, options)).hasCurrent;
  }

  /** NO_DOMAIN_SNAPSHOT when there is none. */
  async domainSnapshotCurrent(domain: Domain, options: FlagOptions = {}): Promise<DomainSnapshot> {
    return (await this.call(calls.domainSnapshotCurrent, { domain, flags: options.flags ?? 0 }, options)).snapshot;
  }

  async domainSnapshotIsCurrent(snapshot: DomainSnapshot, options: FlagOptions = {}): Promise<boolean> {
    return (await this.call(calls.domainSnapshotIsCurrent, { snapshot, flags: options.flags ?? 0 }, options)).isCurrent;
  }

  /** Flags: DomainSnapshotListFlags. */
  async domainListAllSnapshots(domain: Domain, options: FlagOptions = {}): Promise<readonly DomainSnapshot[]> {
    const args = { domain, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.domainListAllSnapshots, args, options)).items;
  }

  /** Flags: DomainSnapshotListFlags. */
  async domainSnapshotListAllChildren(
    snapshot: DomainSnapshot,
    options: FlagOptions = {},
  ): Promise<readonly DomainSnapshot[]> {
    const args = { snapshot, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.domainSnapshotListAllChildren, args, options)).items;
  }

  /** NO_DOMAIN_SNAPSHOT when it is a root. */
  async domainSnapshotGetParent(snapshot: DomainSnapshot, options: FlagOptions = {}): Promise<DomainSnapshot> {
    return (await this.call(calls.domainSnapshotGetParent, { snapshot, flags: options.flags ?? 0 }, options)).snapshot;
  }

  /** Flags: DomainSnapshotRevertFlags. */
  async domainRevertToSnapshot(snapshot: DomainSnapshot, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainRevertToSnapshot, { snapshot, flags: options.flags ?? 0 }, options);
  }

  /** Flags: DomainSnapshotDeleteFlags. */
  async domainSnapshotDelete(snapshot: DomainSnapshot, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainSnapshotDelete, { snapshot, flags: options.flags ?? 0 }, options);
  }

  /** XML: https://libvirt.org/formatcheckpoint.html. Flags: DomainCheckpointCreateFlags. */
  async domainCheckpointCreateXml(domain: Domain, xml: string, options: FlagOptions = {}): Promise<DomainCheckpoint> {
    return (await this.call(calls.domainCheckpointCreateXml, { domain, xml, flags: options.flags ?? 0 }, options))
      .checkpoint;
  }

  /** Flags: DomainCheckpointXmlFlags. */
  async domainCheckpointGetXmlDesc(checkpoint: DomainCheckpoint, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainCheckpointGetXmlDesc, { checkpoint, flags: options.flags ?? 0 }, options)).xml;
  }

  /** NO_DOMAIN_CHECKPOINT when there is none. */
  async domainCheckpointLookupByName(
    domain: Domain,
    name: string,
    options: FlagOptions = {},
  ): Promise<DomainCheckpoint> {
    return (await this.call(calls.domainCheckpointLookupByName, { domain, name, flags: options.flags ?? 0 }, options))
      .checkpoint;
  }

  /** Flags: DomainCheckpointListFlags. */
  async domainListAllCheckpoints(domain: Domain, options: FlagOptions = {}): Promise<readonly DomainCheckpoint[]> {
    const args = { domain, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.domainListAllCheckpoints, args, options)).items;
  }

  /** Flags: DomainCheckpointListFlags. */
  async domainCheckpointListAllChildren(
    checkpoint: DomainCheckpoint,
    options: FlagOptions = {},
  ): Promise<readonly DomainCheckpoint[]> {
    const args = { checkpoint, needResults, flags: options.flags ?? 0 };
    return (await this.call(calls.domainCheckpointListAllChildren, args, options)).items;
  }

  /** NO_DOMAIN_CHECKPOINT when it is a root. */
  async domainCheckpointGetParent(checkpoint: DomainCheckpoint, options: FlagOptions = {}): Promise<DomainCheckpoint> {
    return (await this.call(calls.domainCheckpointGetParent, { checkpoint, flags: options.flags ?? 0 }, options))
      .checkpoint;
  }

  /** Flags: DomainCheckpointDeleteFlags. */
  async domainCheckpointDelete(checkpoint: DomainCheckpoint, options: FlagOptions = {}): Promise<void> {
    await this.call(calls.domainCheckpointDelete, { checkpoint, flags: options.flags ?? 0 }, options);
  }

  /**
   * Starts a backup job; `job-completed` tells of its end, `domainAbortJob` ends a pull. XML:
   * https://libvirt.org/formatbackup.html. Flags: DomainBackupBeginFlags.
   */
  async domainBackupBegin(
    domain: Domain,
    backup: { readonly xml: string; readonly checkpointXml?: string },
    options: FlagOptions = {},
  ): Promise<void> {
    const args = { domain, backupXml: backup.xml, checkpointXml: backup.checkpointXml, flags: options.flags ?? 0 };
    await this.call(calls.domainBackupBegin, args, options);
  }

  /** NO_DOMAIN_BACKUP when none is under way. */
  async domainBackupGetXmlDesc(domain: Domain, options: FlagOptions = {}): Promise<string> {
    return (await this.call(calls.domainBackupGetXmlDesc, { domain, flags: options.flags ?? 0 }, options)).xml;
  }
}
