# Makes the project ready to use: system libraries, .venv, the package in editable form. To be sourced; then
#     setup_project libero          or          setup_project libero,dev
# leaves the interpreter in $python. What is there already is left alone, so the second time takes a moment.
# shellcheck shell=bash
# PYTHON chooses the interpreter that .venv is made with (default: python3).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

die() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# can_load LIBRARY: whether the dynamic linker finds it.
can_load() { "$base_python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null; }

# can_render: whether OSMesa is there, or a device EGL can render on.
can_render() {
    # -I: not with the script's folder in the path, whose types.py would hide Python's own.
    "$base_python" -I -S "$root/mmact_eval/machine/gl_probe.py" 2>/dev/null | "$base_python" -c '
import json, sys
found = json.load(sys.stdin)
sys.exit(not (found["osmesa"] or any(d["works"] and d["kind"] != "other" for d in found["egl"])))' 2>/dev/null
}

# Debian packages that are missing, one a line.
missing_packages() {
    can_load libGL.so.1 || echo libgl1                   # OpenCV links to it
    can_load libgthread-2.0.so.0 || echo libglib2.0-0    # OpenCV too
    if [[ $extras == *libero* ]] && ! can_render; then
        if ! command -v apt-cache >/dev/null || apt-cache show libosmesa6 >/dev/null 2>&1; then
            echo libosmesa6
        else
            printf '%s\n' libegl1 libgl1-mesa-dri # where Mesa has dropped OSMesa
        fi
    fi
    "$base_python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# apt_install LIST: installs the Debian packages that the function LIST prints, one a line; nothing if it prints none.
apt_install() {
    local list=$1 packages as_root=()
    # A fresh container has empty package lists; without them it cannot be known which packages exist.
    mapfile -t packages < <("$list")
    ((${#packages[@]})) || return 0
    local wish="apt-get install ${packages[*]}"
    command -v apt-get >/dev/null || die "missing here: what Debian has as ${packages[*]}; install it and start again"
    if ((EUID != 0)); then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || die "missing system packages; as root run: $wish"
        as_root=(sudo)
    fi
    say "$wish"
    "${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists there are"
    mapfile -t packages < <("$list")
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${packages[@]}" >/dev/null || die "could not install system packages; as root run: apt-get install ${packages[*]}"
}

# The interpreter, if there is none.
missing_python() { command -v python3 >/dev/null || printf '%s\n' python3 python3-venv; }

# setup_project EXTRAS
setup_project() {
    local extras=$1 stamp=$root/.venv/.installed wanted home quiet=()
    [[ -n ${PYTHON:-} ]] || apt_install missing_python
    base_python=$(command -v "${PYTHON:-python3}") || die "there is no ${PYTHON:-python3} here (PYTHON=… chooses another)"
    "$base_python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "$base_python is $("$base_python" -V 2>&1); Python 3.10 or newer is needed (PYTHON=… chooses another)"
    apt_install missing_packages
    if ! "$python" -c 'import pip' 2>/dev/null; then
        say "making a virtual environment in .venv"
        "$base_python" -m venv --clear "$root/.venv" || die "python3 -m venv failed; try: apt-get install python3-venv"
    fi
    # Extras and dependencies stand in pyproject.toml, pins in constraints.txt; the path is in the editable installation.
    local constraints=$root/scripts/constraints.txt
    # Extras that were installed before stay in the account: one of them may not bear the versions another brings.
    extras=$(printf '%s,%s' "$extras" "$(sed -n 1p "$stamp" 2>/dev/null)" | tr ',' '\n' | sed '/^$/d' | sort -u | paste -sd,)
    wanted=$(printf '%s\n%s' "$extras" "$root $(cat "$root/pyproject.toml" "$constraints" | cksum)")
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        say "pip install -e '.[$extras]'$([[ $extras != *libero* ]] || echo ' (LIBERO brings some 340 MiB of assets)')"
        [[ -t 1 ]] || quiet=(--quiet) # a person wants to see that something happens; a log does not
        # setuptools asks for a home folder, which a container's user may not have.
        home=$("$python" -c 'import pathlib; print(pathlib.Path.home())' 2>/dev/null || echo "$root/.venv")
        HOME=$home "$python" -m pip install "${quiet[@]}" --disable-pip-version-check -c "$constraints" \
            -e "$root[$extras]" ||
            die "pip could not install the project; see above"
        printf '%s\n' "$wanted" >"$stamp"
    fi
}

# setup_mujoco VERSION: another MuJoCo, alone in build/mujoco/VERSION, for tests of the physics that is not installed.
setup_mujoco() {
    local folder=$root/build/mujoco/$1
    [[ ! -d $folder/mujoco ]] || return 0
    say "MuJoCo $1, for tests of both physics"
    rm -rf "$folder.part"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder.part" "mujoco==$1" &&
        mv "$folder.part" "$folder"
}

# need_pybullet: says no where there is no wheel of pybullet, which CALVIN needs, for the interpreter.
need_pybullet() {
    local interpreter
    interpreter=$(command -v "${PYTHON:-python3}") || return 0 # setup_project says so
    "$interpreter" -c 'import sys; sys.exit(sys.version_info[:2] >= (3, 12))' ||
        die "CALVIN's simulator pybullet has wheels for Python 3.10 and 3.11, $interpreter is newer; PYTHON=… chooses another"
}

# setup_robotwin: what pip cannot bring for RoboTwin (its task code without its pins, a Vulkan driver), into the cache.
setup_robotwin() {
    "$python" -m mmact_eval setup robotwin
}
