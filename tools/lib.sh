# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What tools share: packages and builds. Sourced; `top` is the repository.

# install_packages SET...: the packages of tools/packages marked with one of the sets, where missing.
install_packages() {
	local wanted missing=() package
	wanted=$(awk -v sets="$*" '
		BEGIN { n = split(sets, s, " "); for (i = 1; i <= n; i++) want[s[i]] = 1 }
		!/^#/ && NF >= 2 && $2 in want { print $1 }' "$top/tools/packages")
	for package in $wanted; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${#missing[@]} packages: ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -q update >/dev/null
	# no service of a package (nginx) may start, now or at boot: the demo and the tests run their own
	local policy=/usr/sbin/policy-rc.d status=0
	if [ -e "$policy" ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 "${missing[@]}" | awk 'NR % 40 == 0 { print "  ..." NR " lines" }' || status=$?
	[ -z "$policy" ] || rm -f "$policy"
	case " ${missing[*]} " in *" nginx-light "*) systemctl --quiet disable nginx 2>/dev/null || true ;; esac
	[ "$status" = 0 ] || {
		echo "apt-get could not install: ${missing[*]}" >&2
		return 1
	}
}

# build_release DIR: the programs, optimised, with gcc.
build_release() {
	[ -f "$1/build.ninja" ] || CC=gcc meson setup "$1" "$top" >/dev/null
	ninja -C "$1" --quiet
}

# build_sanitized DIR [TARGET...]: all, or those, with clang, AddressSanitizer and UndefinedBehaviorSanitizer; also the
# fuzzers. The reader of a packet's bytes takes them in place, so alignment is not checked. Sets the sanitizers' options.
build_sanitized() {
	local args='-fno-sanitize=alignment -fno-sanitize-recover=all -fno-omit-frame-pointer -fsanitize=fuzzer-no-link'
	[ -f "$1/build.ninja" ] || CC=clang meson setup "$1" "$top" --buildtype=debugoptimized \
		-Db_sanitize=address,undefined -Db_lundef=false -Db_ndebug=false -Dc_args="$args" >/dev/null
	ninja -C "$1" --quiet "${@:2}"
}
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

# make_user: the system user that fairleadd runs as.
make_user() {
	! id fairlead >/dev/null 2>&1 || return 0
	echo "making the system user fairlead"
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin fairlead
}
