package attest

var CheckMaps = checkMaps

func CheckStatus(e Expect, status string) error { return e.checkStatus(fields(status)) }
