package launch

import "sallyport/internal/sys"

func IsLaunchExec(nr int32, args [6]uint64) bool {
	return isLaunchExec(sys.SeccompNotice{Nr: nr, Args: args})
}
