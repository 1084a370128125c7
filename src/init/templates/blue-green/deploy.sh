#!/bin/sh
# Blue-green deployment of {{ name }}:
#   deploy.sh            builds the next release, waits until it is ready, switches nginx to it, drains the old one
#   deploy.sh rollback   switches back to the release that served before, whatever failed since
#   deploy.sh status     says which colour serves
# Exit code 0: the release that was asked for serves. Otherwise nothing has changed.
set -eu
cd "$(dirname "$0")"

compose() { docker compose -f compose.yaml "$@"; }
# shellcheck disable=SC2016  # $colour is nginx's
active() { sed -n 's/^set \$colour \(blue\|green\);$/\1/p' active/colour.conf; }

mkdir -p active
[ -f active/colour.conf ] || cp active.conf active/colour.conf
now=$(active)
if [ "$now" = blue ]; then next=green; else next=blue; fi

# shellcheck disable=SC2016  # $colour is nginx's
switch_to() {
    printf 'set $colour %s;\n' "$1" > active/colour.conf.new
    mv active/colour.conf.new active/colour.conf
    compose up -d --no-deps proxy
    if ! compose exec -T proxy nginx -t; then
        printf 'set $colour %s;\n' "$now" > active/colour.conf
        compose --profile "$1" stop "$1"
        echo "nginx rejects the configuration; $now goes on serving" >&2
        exit 1
    fi
    compose exec -T proxy nginx -s reload
}

start() {
    compose --profile "$1" up -d --no-deps "$1"
    # The health gate: every worker of the new colour serves.
    if ! compose exec -T "$1" rgun ctl wait-ready --timeout 120; then
        compose logs --tail 50 "$1" >&2
        compose --profile "$1" stop "$1"
        echo "$1 did not become ready; $now goes on serving" >&2
        exit 1
    fi
}

case "${1:-deploy}" in
status)
    echo "$now"
    ;;
deploy)
    # Not under the colour's own tag: that is the release to go back to, until this one serves.
    NEXT_IMAGE={{ name }}:next
    export NEXT_IMAGE
    docker build -t "$NEXT_IMAGE" ../..
{% if django %}
    # Migrations must fit the release that still serves.
    compose --profile "$next" run --rm --no-deps "$next" python manage.py migrate --noinput
{% endif %}
    start "$next"
    switch_to "$next"
    docker tag "$NEXT_IMAGE" "{{ name }}:$next"
    # Connections that nginx had with the old colour end; its last requests finish within stop_grace_period.
    compose --profile "$now" stop "$now"
    echo "$next serves"
    ;;
rollback)
    if ! docker image inspect "{{ name }}:$next" > /dev/null 2>&1; then
        echo "there is no release before this one; $now goes on serving" >&2
        exit 1
    fi
    start "$next"
    switch_to "$next"
    compose --profile "$now" stop "$now"
    echo "$next serves again"
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
