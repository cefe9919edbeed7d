# bash completion of latchkey; generated from its table of commands
_latchkey() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command='' word next='--help'
  COMPREPLY=()
  case "$previous" in
    --out|--checkpoints) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --login|--accept-removals|--user|--group|--reason|--wait|--for|--requested-by|--checkpoint|--since|--grant|--format) return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) ;;
      *) case "$command" in
        '') command="$word" ;;
        grants|clock|policy|audit) command="$command $word" ;;
      esac ;;
    esac
  done
  case "$command" in
    '') next='run check health sync grants revoke adopt pause resume clock policy audit acl control-plane completion --help --version' ;;
    'grants') next='show --all --json --help' ;;
    'clock') next='accept' ;;
    'policy') next='explain' ;;
    'audit') next='verify export' ;;
    'run') next='--help' ;;
    'check') next='--login --json --help' ;;
    'health') next='--help' ;;
    'sync') next='--full --dry-run --out --accept-removals --help' ;;
    'grants show') next='--json --help' ;;
    'revoke') next='--user --group --all --reason --wait --yes --help' ;;
    'adopt') next='--standing --yes --help' ;;
    'pause') next='--reason --yes --help' ;;
    'resume') next='--reason --yes --help' ;;
    'clock accept') next='--yes --help' ;;
    'policy explain') next='--user --group --for --requested-by --json --help' ;;
    'audit verify') next='--checkpoint --checkpoints --json --help' ;;
    'audit export') next='--since --grant --format --help' ;;
    'acl') next='--help' ;;
    'control-plane') next='--help' ;;
    'completion') next='bash zsh fish --help' ;;
  esac
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}
complete -F _latchkey latchkey
