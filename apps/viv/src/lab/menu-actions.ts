// What `viv menu` offers: each choice is a command line that is shown before it is run. Pure.

import type { VirtualMachine } from "@vivarium/api";

export type MenuAction = "status" | "start" | "stop" | "ssh" | "snapshot" | "snapshots" | "logs" | "delete";

export interface MenuChoice {
  readonly value: MenuAction;
  readonly label: string;
}

/** What makes sense for a VM as it is. */
export function choicesFor({ status }: VirtualMachine): readonly MenuChoice[] {
  const isOn = status?.powerState === "On";
  const choices: readonly (MenuChoice | false)[] = [
    isOn && { value: "ssh", label: "Log in" },
    isOn ? { value: "stop", label: "Shut down" } : { value: "start", label: "Start" },
    { value: "status", label: "Where it stands" },
    { value: "snapshot", label: "Take a snapshot" },
    { value: "snapshots", label: "List its snapshots" },
    isOn && { value: "logs", label: "What its serial console printed" },
    { value: "delete", label: "Delete, with its disks" },
  ];
  return choices.filter((choice) => choice !== false);
}

export function argumentsFor(action: MenuAction, vm: string): readonly string[] {
  switch (action) {
    case "snapshot":
      return ["snapshot", "create", "--", vm];
    case "snapshots":
      return ["snapshot", "list", "--", vm];
    case "logs":
      return ["logs", "--tail", "30", "--", vm];
    case "delete":
      return ["delete", "--", "vm", vm];
    case "status":
    case "start":
    case "stop":
    case "ssh":
      return [action, "--", vm];
  }
}

export function createArguments(name: string, role: string | undefined): readonly string[] {
  return ["create", "--wait", ...(role === undefined ? [] : ["--role", role]), "--", name];
}
