# Which operating system this is, and which packages of a join are missing.
# The document assigns SYSTEMS, one line for each system and range of versions:
#   ID FROM BELOW LIKE VERSIONS TAGS PACKAGES MANAGER SOURCE TOOL NAME…
# PACKAGES, one line for each list of packages: `LIST package=proof package=proof …`, and GIVEN_SYSTEM, the group's tag
# Operating_System, which may be empty. config/operating-systems.json says what the words mean.
# Needs base.sh.
# shellcheck disable=SC2034,SC2154 # the scripts that include this file read what it sets, and include base.sh

# Sets what the node says of itself, os and os_version; what it is taken for, system, with package_list, package_manager,
# package_source and log_in_tool; and missing, the names of missing packages. A system that can't join has no name: refusal is the
# code for that, and detail says why, for people.
read_system() {
  system='' missing='' refusal='' detail=''
  read_release
  recognise
  case $line in
  'unknown '*)
    refusal=system-unsupported detail=${line#unknown }
    return 0
    ;;
  'contradicted '*)
    refusal=system-contradicted detail=${line#contradicted }
    return 0
    ;;
  esac
  read -r package_list package_manager package_source log_in_tool system <<END
$line
END
  find_missing
}

find_missing() {
  missing=''
  needs=${PACKAGES#"$package_list "}
  needs=${needs#*"$new_line$package_list "}
  for need in ${needs%%"$new_line"*}; do
    if ! present "${need#*=}"; then missing="$missing${missing:+ }${need%%=*}"; fi
  done
}

# Sets os, os_version and os_like from os-release, which is a shell script; to nothing where it can't be read.
read_release() {
  # shellcheck source=/dev/null
  values=$(set +eu && unset ID VERSION_ID ID_LIKE && . "$os_release" >/dev/null 2>&1 &&
    printf '%s|%s|%s' "$ID" "$VERSION_ID" "$ID_LIKE") || values='||'
  os=${values%%|*} os_like=${values##*|} os_version=${values#*|}
  os_version=${os_version%%|*}
}

# Sets line to `PACKAGES MANAGER SOURCE TOOL NAME…` of the system that this is; or to `unknown` or `contradicted`, and why.
# ID and version decide where ID is known. Otherwise the first word of ID_LIKE that is known does, unless the group's tag says
# another system: of a derivative the group knows more. What is known by its ID can't be another one.
recognise() {
  line=$(systems=$SYSTEMS id=$os version=$os_version words=$os_like tag=$GIVEN_SYSTEM awk '
    # What stands in a file is no text of the program, as it would be after -v.
    function given(name, unsafe, text) { text = ENVIRON[name]; gsub(unsafe, "", text); return text }
    # As 12 or 22.04. A rolling system has no version, and is later than any.
    function number(text, part) { split(text, part, "."); return part[1] * 1000 + part[2] }
    function fits() {
      if (version == "") return $3 == "-"
      return number(version) >= number($2) && ($3 == "-" || number(version) < number($3))
    }
    function range() { return $2 ($3 == "-" ? " or later" : " until before " $3) }
    function has(list, word) { return index("," list ",", "," word ",") > 0 }
    function rest(text, i) { text = $7; for (i = 8; i <= NF; i++) text = text " " $i; return text }
    function look(i) {
      if ($1 == id) {
        known = 1
        supported = supported (supported == "" ? "" : ", ") range()
        if (fits()) { exact = rest(); exactTags = $6 }
      }
      if (tag != "" && has($6, tag)) named = rest()
      for (i = 1; i <= count; i++) {
        if (!has($4, like[i])) continue
        if ($5 == "versions" && !fits()) old[i] = range()
        else near[i] = rest()
        nearTags[i] = $6
      }
    }
    BEGIN {
      id = given("id", "[^a-z0-9._-]"); version = given("version", "[^0-9.]"); tag = ENVIRON["tag"]
      count = split(given("words", "[^a-z0-9._ -]"), like, " ")
      lines = split(ENVIRON["systems"], rows, "\n")
      for (n = 1; n <= lines; n++) { $0 = rows[n]; look() }
      first = 1
      while (first <= count && !(first in nearTags)) first++
      agrees = tag == "" || has(nearTags[first], tag)
      if (exact != "" && tag != "" && !has(exactTags, tag) || exact == "" && tag != "" && named == "") {
        print "contradicted The tag Operating_System of the group says " tag ", and the node runs " id " " version "."
      }
      else if (exact != "") print exact
      else if (known) print "unknown " id " " version " is not supported, but " id " " supported " is."
      else if (!agrees) print named
      else if (first in near) print near[first]
      else if (first in old) print "unknown " id " " version " is not supported, but versions " old[first] " are."
      else print "unknown " id " " version " is not supported, and is like none that is."
    }')
}

# A proof is a command's name, or an absolute path in which * stands for the architecture.
present() {
  case $1 in
  /*)
    # shellcheck disable=SC2086
    set -- $1
    [ -e "$1" ]
    ;;
  *) command -v "$1" >/dev/null ;;
  esac
}
