#!/bin/sh
# Find or install a Chromium for the tests of the report's page; prints its path.
#   scripts/install_browser.sh
# DIVERSITY_EVAL_CHROMIUM names one of your own.
set -eu
find_browser() {
    for name in "${DIVERSITY_EVAL_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$name" ] && command -v "$name"; then
            return 0
        fi
    done
    return 1
}
find_browser && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
    find_browser && exit 0
fi
echo "install_browser.sh: no Chromium found; install one (Debian: apt-get install chromium) or name it with" \
    "DIVERSITY_EVAL_CHROMIUM" >&2
exit 1
