// All policies and bindings, held in memory: every write asks whether one is about it.

import {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  admissionRegistration,
  type ValidatingAdmissionPolicyBindingSpec,
  type ValidatingAdmissionPolicySpec,
} from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import type { AdmissionSubject } from "../admission-plugin.ts";
import { compilePolicy, type CompiledPolicy } from "./compile-policy.ts";
import { isAboutKind } from "./match-request.ts";

export const policyPrefix = `/registry/${admissionRegistration.group}/`;
const policies = `${policyPrefix}${ValidatingAdmissionPolicy.plural}/`;
const bindings = `${policyPrefix}${ValidatingAdmissionPolicyBinding.plural}/`;

export interface ActivePolicy {
  readonly name: string;
  readonly spec: ValidatingAdmissionPolicySpec;
  readonly compiled: CompiledPolicy;
}

/** A policy in force. */
export interface BoundPolicy {
  readonly policy: ActivePolicy;
  readonly binding: { readonly name: string; readonly spec: ValidatingAdmissionPolicyBindingSpec };
}

export class PolicyIndex {
  readonly #policies = new Map<string, ActivePolicy>();
  readonly #bindings = new Map<string, BoundPolicy["binding"]>();
  /** What is in force for one operation on one kind. */
  #bySubject = new Map<string, readonly BoundPolicy[]>();

  set(key: string, value: KeyValue | undefined): void {
    this.#bySubject = new Map();
    if (key.startsWith(policies)) {
      const name = key.slice(policies.length);
      if (value === undefined) this.#policies.delete(name);
      else {
        const { spec } = parse(value) as ValidatingAdmissionPolicy;
        this.#policies.set(name, { name, spec, compiled: compilePolicy(spec) });
      }
    } else if (key.startsWith(bindings)) {
      const name = key.slice(bindings.length);
      if (value === undefined) this.#bindings.delete(name);
      else this.#bindings.set(name, { name, spec: (parse(value) as ValidatingAdmissionPolicyBinding).spec });
    }
  }

  /** `versions`: all that the kind is served in. */
  find(subject: AdmissionSubject, versions: () => readonly string[]): readonly BoundPolicy[] {
    if (this.#bindings.size === 0 || isExempt(subject)) return [];
    const { operation, resource, subresource = "" } = subject;
    const key = `${operation} ${resource.apiVersion} ${resource.plural} ${subresource}`;
    let found = this.#bySubject.get(key);
    if (found === undefined) {
      found = this.#search(subject, versions());
      this.#bySubject.set(key, found);
    }
    return found;
  }

  #search(subject: AdmissionSubject, versions: readonly string[]): readonly BoundPolicy[] {
    return [...this.#bindings.values()].flatMap((binding) => {
      const policy = this.#policies.get(binding.spec.policyName);
      return policy !== undefined &&
        isAboutKind(policy.spec.matchConstraints, subject, versions) &&
        isAboutKind(binding.spec.matchResources, subject, versions)
        ? [{ policy, binding }]
        : [];
    });
  }
}

/** A policy that refuses its own mending could never be mended. */
function isExempt({ resource: { group } }: AdmissionSubject): boolean {
  return group === admissionRegistration.group || group === "authentication.k8s.io" || group === "authorization.k8s.io";
}

function parse({ value }: KeyValue): unknown {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as unknown;
}
