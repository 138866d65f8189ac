// From a Vagrantfile's statements to its machines. What has no meaning here is told with its line, never dropped in silence.

import { parseRuby, type Call, type Statement, type Value } from "./parse-ruby.ts";

export interface VagrantMachine {
  readonly name: string;
  box: string | undefined;
  hostname: string | undefined;
  cpus: number | undefined;
  memoryMiB: number | undefined;
  rootGiB: number | undefined;
  autostart: boolean;
  readonly networks: VagrantNetwork[];
  readonly provisions: VagrantProvision[];
  readonly disks: { readonly name: string; readonly sizeGiB: number }[];
}

export interface VagrantNetwork {
  /** Absent: by DHCP. */
  readonly ip?: string;
  readonly prefix: number;
}

export type VagrantProvision =
  | { readonly kind: "inline"; readonly script: string; readonly asUser: boolean }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly args: string;
      readonly asUser: boolean;
      readonly line: number;
    };

export interface VagrantReading {
  readonly machines: readonly VagrantMachine[];
  /** What could not be taken over, with its line and what to do instead. */
  readonly notes: readonly string[];
}

type Scope = ReadonlyMap<string, string | number>;

/** What a block's statements change: all machines, or one. */
interface Target {
  readonly apply: (change: (machine: VagrantMachine) => void) => void;
  /** Names of the block parameters that mean the machine's configuration. */
  readonly names: ReadonlySet<string>;
}

/** Pure. `defaultName`: of the machine of a file that defines none. */
export function readVagrantfile(source: string, defaultName: string): VagrantReading {
  const notes: string[] = [];
  const note = (line: number, what: string): void => void notes.push(`line ${line}: ${what}`);
  const machines = new Map<string, VagrantMachine>();
  const ofAll: ((machine: VagrantMachine) => void)[] = [];
  const variables = new Map<string, string | number>();

  function walk(statements: readonly Statement[], target: Target, scope: Scope): void {
    for (const statement of statements) {
      switch (statement.kind) {
        case "unread":
          note(statement.line, `not read, since it would have to be run: ${shortened(statement.source)}`);
          break;
        case "assignment":
          assign(statement, target, scope);
          break;
        case "call":
          call(statement, target, scope);
          break;
      }
    }
  }

  function assign(
    { path, value, line, source }: Extract<Statement, { kind: "assignment" }>,
    target: Target,
    scope: Scope,
  ): void {
    const found = value === undefined ? undefined : plain(value, scope);
    if (path.length === 1) {
      if (found === undefined || typeof found === "boolean") note(line, `not read: ${shortened(source)}`);
      else variables.set(path[0] ?? "", found);
      return;
    }
    if (!target.names.has(path[0] ?? "")) return note(line, `not taken over: ${shortened(source)}`);
    if (found === undefined) return note(line, `its value cannot be read without running it: ${shortened(source)}`);
    const setting = path.slice(1).join(".");
    const change = changeOf(setting, found);
    if (change !== undefined) target.apply(change);
    else if (!withoutEffect.has(setting)) note(line, `${setting} has no counterpart here`);
  }

  function call(statement: Call, target: Target, scope: Scope): void {
    const { path, args, options, parameters, body = [], line } = statement;
    const name = path.join(".");
    if (name === "Vagrant.configure") return walk(body, { ...target, names: new Set(parameters) }, scope);
    if (name === "each") return each(statement, target, scope);
    if (["require", "Vagrant.require_version", "Vagrant.require_plugin"].includes(name)) return;
    if (!target.names.has(path[0] ?? "")) return note(line, `not taken over: ${name}`);
    const [first] = args.map((arg) => plain(arg, scope));
    const text = (key: string): string | undefined => {
      const value = options[key] === undefined ? undefined : plain(options[key], scope);
      return value === undefined ? undefined : String(value);
    };
    switch (path.slice(1).join(".")) {
      case "vm.define":
        return define(statement, String(first ?? ""), text("autostart"), scope);
      case "vm.provider":
        return provider(String(first ?? ""), statement, target, scope);
      case "vm.network":
        return network(String(first ?? ""), text, { line, target });
      case "vm.provision":
        return provision(statement, { first: String(first ?? ""), text, target });
      case "vm.disk":
        return disk(text, { line, target });
      case "vm.synced_folder":
        return note(line, "synced_folder: folders of the host are not shared; copy with scp, or attach a Volume");
      default:
        note(line, `${path.slice(1).join(".")} has no counterpart here`);
    }
  }

  function each({ args, options, parameters, body = [], line }: Call, target: Target, scope: Scope): void {
    const [from, to] = args.map((arg) => plain(arg, scope));
    const [parameter] = parameters;
    if (typeof from !== "number" || typeof to !== "number" || parameter === undefined || to - from > 100) {
      return note(line, "a loop whose ends cannot be read without running it");
    }
    const isOpen = options["open"]?.kind === "flag" && options["open"].flag;
    for (let value = from; value <= (isOpen ? to - 1 : to); value++) {
      walk(body, target, new Map([...scope, [parameter, value]]));
    }
  }

  function define(
    { parameters, body = [], line }: Call,
    given: string,
    autostart: string | undefined,
    scope: Scope,
  ): void {
    const name = given
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, "-")
      .replaceAll(/^-+|-+$/g, "");
    if (name === "") return note(line, "a machine whose name cannot be read without running it");
    if (name !== given) note(line, `machine "${given}" is called "${name}" here`);
    const machine = machines.get(name) ?? emptyMachine(name);
    if (!machines.has(name)) for (const change of ofAll) change(machine);
    machines.set(name, machine);
    if (autostart === "false") machine.autostart = false;
    walk(body, { apply: (change) => change(machine), names: new Set(parameters) }, scope);
  }

  function provider(which: string, { parameters, body = [], line }: Call, target: Target, scope: Scope): void {
    if (body.length === 0) return;
    const settings: Target = { ...target, names: new Set(parameters) };
    for (const statement of body) {
      const setting = statement.kind === "assignment" ? statement.path.at(-1) : undefined;
      if (setting === "memory" || setting === "cpus" || setting === "machine_virtual_size")
        walk([statement], settings, scope);
      else if (statement.kind === "assignment" && withoutEffect.has(setting ?? "")) continue;
      else note(statement.line, `a setting of the provider ${which} that has no counterpart here`);
    }
    if (parameters.length === 0) note(line, `provider ${which}: nothing can be read of it`);
  }

  function network(
    kind: string,
    text: (key: string) => string | undefined,
    { line, target }: { readonly line: number; readonly target: Target },
  ): void {
    switch (kind) {
      case "private_network": {
        const ip = text("ip");
        if (ip !== undefined && !/^\d+\.\d+\.\d+\.\d+$/.test(ip)) return note(line, `address ${ip} is not IPv4`);
        const prefix = prefixOf(text("netmask"));
        target.apply(({ networks }) => void networks.push(ip === undefined ? { prefix } : { ip, prefix }));
        return;
      }
      case "forwarded_port":
        return note(
          line,
          `port ${text("guest") ?? "?"} is not forwarded: the VM has an address of its own (viv ip NAME)`,
        );
      case "public_network":
        return note(line, "public_network: name a bridge of the host in a VirtualNetwork (docs/how-to/networks.md)");
      default:
        note(line, `network ${kind} has no counterpart here`);
    }
  }

  function provision(
    { args, body, line }: Call,
    {
      first,
      text,
      target,
    }: { readonly first: string; readonly text: (key: string) => string | undefined; readonly target: Target },
  ): void {
    const kind =
      first === "shell" || text("type") === "shell" || (args.length > 1 && textOf(args[1]) === "shell")
        ? "shell"
        : first;
    if (kind !== "shell" || body !== undefined) return note(line, `provisioner ${kind} is not run; shell scripts are`);
    if (text("run") === "always") note(line, 'run: "always": here it runs at the first boot alone');
    const asUser = text("privileged") === "false";
    const [script, path, scriptArgs = ""] = [text("inline"), text("path"), text("args")];
    if (script !== undefined)
      target.apply(({ provisions }) => void provisions.push({ kind: "inline", script, asUser }));
    else if (path !== undefined && !/^https?:/.test(path)) {
      target.apply(({ provisions }) => void provisions.push({ kind: "file", path, args: scriptArgs, asUser, line }));
    } else note(line, "a shell provisioner whose script cannot be read without running the file");
  }

  function disk(
    text: (key: string) => string | undefined,
    { line, target }: { readonly line: number; readonly target: Target },
  ): void {
    const sizeGiB = gibOf(text("size"));
    if (sizeGiB === undefined) return note(line, "a disk without a size that can be read");
    if (text("primary") === "true") target.apply((machine) => void (machine.rootGiB = sizeGiB));
    else {
      const name = (text("name") ?? "data").toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
      target.apply(({ disks }) => void disks.push({ name, sizeGiB }));
    }
  }

  function plain(value: Value, scope: Scope): string | number | boolean | undefined {
    const known = (name: string): string | number | undefined => scope.get(name) ?? variables.get(name);
    switch (value.kind) {
      case "text":
        return value.text;
      case "number":
        return value.number;
      case "flag":
        return value.flag;
      case "name":
        return sumOf(value.source, known);
      case "template": {
        let isWhole = true;
        const text = value.source.replaceAll(/#\{([^}]*)\}/g, (_, expression: string) => {
          const found = sumOf(expression, known);
          isWhole &&= found !== undefined;
          return String(found);
        });
        return isWhole ? text : undefined;
      }
      case "list":
      case "map":
        return undefined;
    }
  }

  const all: Target = { apply: (change) => void ofAll.push(change), names: new Set() };
  walk(parseRuby(source), all, new Map());
  if (machines.size === 0) {
    const machine = emptyMachine(defaultName);
    for (const change of ofAll) change(machine);
    machines.set(defaultName, machine);
  }
  return { machines: [...machines.values()], notes };
}

/** Settings that are for Vagrant itself. */
const withoutEffect = new Set([
  "vm.boot_timeout",
  "vm.box_check_update",
  "vm.box_version",
  "vm.box_url",
  "vm.graceful_halt_timeout",
  "ssh.insert_key",
  "ssh.forward_agent",
  "gui",
  "name",
  "linked_clone",
  "driver",
  "uri",
  "title",
  "default_prefix",
]);

function changeOf(setting: string, value: string | number | boolean): ((machine: VagrantMachine) => void) | undefined {
  switch (setting) {
    case "vm.box":
      return (machine) => void (machine.box = String(value));
    case "vm.hostname":
    case "vm.host_name":
      return (machine) => void (machine.hostname = String(value));
    case "memory":
      return (machine) => void (machine.memoryMiB = Number(value));
    case "cpus":
      return (machine) => void (machine.cpus = Number(value));
    case "machine_virtual_size":
      return (machine) => void (machine.rootGiB = Number(value));
    case "disksize.size":
      return (machine) => void (machine.rootGiB = gibOf(String(value)));
    default:
      return undefined;
  }
}

function emptyMachine(name: string): VagrantMachine {
  return {
    name,
    box: undefined,
    hostname: undefined,
    cpus: undefined,
    memoryMiB: undefined,
    rootGiB: undefined,
    autostart: true,
    networks: [],
    provisions: [],
    disks: [],
  };
}

/** A name, a number, or sums and differences of them. */
function sumOf(expression: string, known: (name: string) => string | number | undefined): string | number | undefined {
  const parts = expression.trim().split(/\s*([+*-])\s*/);
  const valueAt = (index: number): string | number | undefined => {
    const part = parts[index] ?? "";
    return /^\d+$/.test(part) ? Number(part) : known(part);
  };
  let result = valueAt(0);
  for (let index = 1; index < parts.length; index += 2) {
    const next = valueAt(index + 1);
    if (typeof result !== "number" || typeof next !== "number") return undefined;
    result = parts[index] === "+" ? result + next : parts[index] === "-" ? result - next : result * next;
  }
  return result;
}

function gibOf(size: string | undefined): number | undefined {
  const match = /^(\d+)\s*([GT]B?|[GT]iB)?$/i.exec(size ?? "");
  if (match === null) return undefined;
  return Number(match[1]) * (match[2]?.toUpperCase().startsWith("T") === true ? 1024 : 1);
}

function prefixOf(netmask: string | undefined): number {
  if (netmask === undefined) return 24;
  const bits = netmask
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return /^1*0*$/.test(bits) ? (bits.indexOf("0") === -1 ? 32 : bits.indexOf("0")) : 24;
}

function textOf(value: Value | undefined): string | undefined {
  return value?.kind === "text" ? value.text : undefined;
}

function shortened(source: string): string {
  return source.length > 70 ? `${source.slice(0, 67)}...` : source;
}
