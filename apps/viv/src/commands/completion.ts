// `viv completion`: a script per shell, made from the command line's own declaration.

import type { Command } from "commander";
import { CliUserError } from "../cli-error.ts";
import { print } from "../output/print.ts";
import { program } from "../program.ts";

export async function completion(shell: string): Promise<void> {
  const commands = program().commands.filter((command) => command.name() !== "help");
  switch (shell) {
    case "bash":
      print(bash(commands));
      return;
    case "zsh":
      print(zsh(commands));
      return;
    case "fish":
      print(fish(commands));
      return;
    default:
      throw new CliUserError(`There is no completion for "${shell}".`, {
        fix: ["Use bash, zsh or fish."],
        exit: "usage",
      });
  }
}

/** Commands whose next word is a VM's name. */
const takesVm: readonly string[] = [
  "start",
  "stop",
  "restart",
  "pause",
  "resume",
  "suspend",
  "reboot",
  "reset",
  "status",
  "info",
  "top",
  "ip",
  "ssh",
  "console",
  "logs",
];

function optionsOf(command: Command): readonly string[] {
  return command.options
    .filter((option) => !option.hidden)
    .flatMap((option) => (option.long === undefined ? [] : [option.long]));
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) => `    ${command.name()}) words="${optionsOf(command).join(" ")}" ;;`);
  return `# bash completion for viv:  source <(viv completion bash)
_viv() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} words=""
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name()).join(" ")}" -- "$word"))
    return
  fi
  case $command in
${cases.join("\n")}
  esac
  case $command in
    ${takesVm.join("|")}) [ "\${word#-}" = "$word" ] && words="$(viv get vm -o name 2>/dev/null | sed 's|.*/||')" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _viv viv`;
}

function zsh(commands: readonly Command[]): string {
  const list = commands.map(
    (command) => `    '${command.name()}:${command.description().replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`,
  );
  return `#compdef viv
# zsh completion for viv:  source <(viv completion zsh)
_viv() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
    ${takesVm.join("|")}) compadd -- $(viv get vm -o name 2>/dev/null | sed 's|.*/||') ;;
  esac
  case $words[2] in
${commands.map((command) => `    ${command.name()}) compadd -- ${optionsOf(command).join(" ")} ;;`).join("\n")}
  esac
}
compdef _viv viv`;
}

function fish(commands: readonly Command[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => [
    `complete -c viv -n __fish_use_subcommand -f -a ${command.name()} -d ${quoted(command.description())}`,
    ...optionsOf(command).map(
      (option) => `complete -c viv -n '__fish_seen_subcommand_from ${command.name()}' -l ${option.slice(2)}`,
    ),
  ]);
  const vms = `complete -c viv -n '__fish_seen_subcommand_from ${takesVm.join(" ")}' -f -a "(viv get vm -o name 2>/dev/null | sed 's|.*/||')"`;
  return ["# fish completion for viv:  viv completion fish | source", ...lines, vms].join("\n");
}
